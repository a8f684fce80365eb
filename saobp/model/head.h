// What stands on a backbone: the last product of a model, and what comes before it (HeadRecord).
//
// Shapes: N positions, C hidden channels, E channels of the embeddings, O outputs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "saobp/model/config.h"
#include "saobp/model/libtorch.h"

namespace saobp::model {

// The last product of a head: logits = x · weightᵀ + bias, weight [O, ·], bias [O] or undefined.
struct OutputProjection {
  torch::Tensor weight, bias;
};

class Head {
 public:
  using Register = std::function<torch::Tensor(const std::string& name, torch::IntArrayRef sizes)>;

  // Its tensors are parameters of the model that it is a part of. A language model's product takes the word embeddings
  // [V, E] unless the config unties it; then, and for any other head, it has weights of its own.
  Head(const HeadRecord& record, const ModelConfig& config, const torch::Tensor& word_embeddings,
       const Register& register_parameter);

  // Where a head that looks at one token of each row looks: [B], indices into the B · L tokens. The mask is that of
  // Inputs.
  torch::Tensor places(int64_t batch, int64_t length, const torch::Tensor& attention_mask) const;
  // The head in two steps. [N, C] → [N, C] or, of a language model, [N, E]; `seed` is that of dropout, and 0 ends it.
  torch::Tensor states(const torch::Tensor& hidden, uint64_t seed = 0) const;
  OutputProjection projection() const;
  // Both steps: [N, C] → [N, O].
  torch::Tensor logits(const torch::Tensor& hidden, uint64_t seed = 0) const;

  const HeadRecord& record;
  // Undefined where the record does not name them; output_weight only where it is the head's own.
  torch::Tensor dense_weight, dense_bias, norm_weight, norm_bias, output_weight, output_bias;

 private:
  std::string activation_;
  double layer_norm_eps_, dropout_;
  torch::Tensor word_embeddings_;
};

// How many numbers a head of that kind puts out.
int64_t outputs_of(HeadKind kind, const ModelConfig& config);

}  // namespace saobp::model
