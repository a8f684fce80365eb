// Numbers out of tensors.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
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

// Of the numbers among them; NaN where there is none.
inline double mean_of_defined(const std::vector<double>& values) {
  std::vector<double> defined;
  for (double value : values)
    if (!std::isnan(value)) defined.push_back(value);
  return defined.empty() ? NAN : mean(defined);
}

// Of the means of each layer's heads.
inline double mean_of_layers(const std::vector<std::vector<double>>& layers) {
  std::vector<double> means;
  means.reserve(layers.size());
  for (const auto& heads : layers) means.push_back(mean_of_defined(heads));
  return mean_of_defined(means);
}

}  // namespace saobp::analysis
