#include "cases.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

namespace saobp::attention::testing {

Gradients run(const Inputs& inputs, const AttentionOptions& options, const at::Tensor& upstream) {
  // The views are kept: only the leaf flag is new.
  const auto leaf = [](const at::Tensor& t) { return t.detach().set_requires_grad(true); };
  const auto query = leaf(inputs.query), key = leaf(inputs.key), value = leaf(inputs.value);
  const auto output = refined_attention(query, key, value, options);
  const auto gradients = torch::autograd::grad({output}, {query, key, value}, {upstream.to(output.scalar_type())});
  return {output.detach(), gradients[0], gradients[1], gradients[2]};
}

}  // namespace saobp::attention::testing
