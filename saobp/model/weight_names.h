// How a family lists its tensors under the names of transformers' files.
#pragma once

#include <string>

#include "saobp/model/language_model.h"

namespace saobp::model {

inline constexpr const char* kBertHeadBias = "cls.predictions.bias";
inline constexpr const char* kBertDecoder = "cls.predictions.decoder.weight";
inline constexpr const char* kBertDecoderBias = "cls.predictions.decoder.bias";
inline constexpr const char* kGpt2Head = "lm_head.weight";

struct WeightNames {
  TensorList tensors;

  void add(const std::string& name, const torch::Tensor& tensor) { tensors.emplace_back(name, tensor.detach()); }
  void add_pair(const std::string& name, const torch::Tensor& weight, const torch::Tensor& bias) {
    add(name + ".weight", weight), add(name + ".bias", bias);
  }
};

}  // namespace saobp::model
