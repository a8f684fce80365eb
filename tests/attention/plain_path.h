// The path whose error is the yardstick for the kernels': the reference in the type of the inputs, with bfloat16 as it
// is multiplied in plain PyTorch.
#pragma once

#include <ATen/ATen.h>

#include "saobp/attention/reference.h"

namespace saobp::attention::testing {

// bfloat16: B is made in float and rounded where it is multiplied with V, as in (scores.softmax(-1).to(bfloat16) @
// value). factors: as reference_attention's.
inline at::Tensor plain_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                                  const AttentionOptions& options, const at::Tensor& factors = {}) {
  if (query.scalar_type() != at::kBFloat16 || options.elemmul)
    return reference_attention(query, key, value, options, factors);
  auto weights = reference_matrices(query, key, options).second;
  if (factors.defined()) {
    weights = weights * factors;
  } else if (options.dropout > 0) {
    weights = weights * dropout_factors(query.size(0), query.size(1), query.size(2), key.size(2), options.dropout,
                                        options.seed, weights.options());
  }
  auto values = value;
  if (options.key_mask) values = values.masked_fill(options.key_mask->logical_not().unsqueeze(1).unsqueeze(-1), 0);
  if (value.size(1) < query.size(1)) values = values.repeat_interleave(query.size(1) / value.size(1), 1);
  return at::matmul(weights.to(at::kBFloat16), values);
}

}  // namespace saobp::attention::testing
