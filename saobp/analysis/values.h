// Numbers out of tensors.
#pragma once

#include <ATen/ATen.h>

#include <numeric>
#include <vector>

namespace saobp::analysis {

// Every element, in order.
inline std::vector<double> to_vector(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kCPU, at::kDouble).contiguous();
  const auto* first = values.const_data_ptr<double>();
  return {first, first + values.numel()};
}

inline double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace saobp::analysis
