// What tests of measures share.
#pragma once

#include <string>
#include <vector>

#include "saobp/analysis/measure.h"
#include "saobp/analysis/values.h"
#include "saobp/model/libtorch.h"

namespace saobp::analysis::testing {

// One measure of matrices [H, L, L] whose tokens are all different, a value for each head.
inline std::vector<double> value(const std::string& measure, const torch::Tensor& matrices,
                                 const MeasureOptions& options = {}, bool causal = false) {
  Tokens tokens;
  for (int64_t i = 0; i < matrices.size(1); ++i) tokens.ids.push_back(i);
  analysis::Sequence sequence(tokens, causal);
  Depth depth;
  SeenAttention seen(matrices, sequence, options, depth);
  return to_vector(value_of(measure_of(measure), seen));
}

}  // namespace saobp::analysis::testing
