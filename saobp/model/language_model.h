// What BERT and GPT-2 have in common, and the type by which training, analysis and files open either.
//
// Shapes: B sequences, L tokens, C hidden channels, H heads, V vocabulary.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saobp/attention/refined_attention.h"
#include "saobp/model/config.h"
#include "saobp/model/layer.h"
#include "saobp/model/libtorch.h"

namespace saobp::model {

using TensorList = std::vector<std::pair<std::string, torch::Tensor>>;

// Called once a layer with what its attention sees: query and key [B, H, L, C/H], and the options of the call.
using AttentionProbe = std::function<void(int64_t layer, const torch::Tensor& query, const torch::Tensor& key,
                                          const attention::AttentionOptions& options)>;

// The last product of a language model: logits = x · weightᵀ + bias, weight [V, C], bias [V] or undefined.
struct OutputProjection {
  torch::Tensor weight, bias;
};

struct LanguageModelImpl : torch::nn::Module {
  // input_ids [B, L] int64 → hidden states [B, L, C], for the head or a loss that makes logits piece by piece.
  // attention_mask [B, L] bool, true = real token; undefined: all real. In training mode dropout draws from
  // `dropout_seed`. Error when L exceeds max_position_embeddings or an id lies outside of the vocabulary.
  virtual torch::Tensor hidden_states(const torch::Tensor& input_ids, const torch::Tensor& attention_mask,
                                      const AttentionProbe& probe) = 0;
  torch::Tensor hidden_states(const torch::Tensor& input_ids, const torch::Tensor& attention_mask = {}) {
    return hidden_states(input_ids, attention_mask, {});
  }

  virtual bool has_head() const = 0;
  // The head in two steps. head_states: any rows of hidden states [N, C] → [N, C], BERT's transform, or as they are.
  // projection: from there to logits. Error where the checkpoint had no head.
  virtual torch::Tensor head_states(const torch::Tensor& hidden) = 0;
  virtual OutputProjection projection() = 0;
  // Both steps: [N, C] → [N, V].
  torch::Tensor logits(const torch::Tensor& hidden);

  // The tensors under the names and in the layout of transformers' files, as views: writing to them writes to the
  // model.
  virtual TensorList named_weights() = 0;

  // Starts the position embeddings from the sines and cosines of Vaswani et al. (2017), with the standard deviation
  // that the drawn values have: a fixed distance is then the same rotation everywhere, which is learnt much sooner.
  void set_sinusoidal_positions();

  // One power iteration of σReparam in every layer, for a training step; nothing where there is none.
  void iterate_sigma();
  // Lets λ learn, one for each layer or for each head: config.refined_attention.strengths must be there.
  void learn_strengths();
  // Back into [0, 20], where an update has left it.
  void clamp_strengths();
  // λ of each layer as attention uses it now, times strength_scale; floats as their shortest decimals.
  Strengths strengths() const;
  // The config as a file is to have it: with the strengths that are used now.
  ModelConfig current_config() const;

  const ModelConfig config;
  uint64_t dropout_seed = 0;
  // What hidden states are computed in: float, or bfloat16, for which the weights are rounded on the way; sums, norms
  // and softmax stay in float. The weights' own type where none is named.
  std::optional<torch::ScalarType> compute_type;
  double strength_scale = 1;  // what λ is multiplied with, while training warms it up
  // Where it is set, called with "the embeddings", "layer 0" … and their values [B, L, C] (overflow.h).
  std::function<void(const std::string& what, const torch::Tensor& values)> watch;
  torch::Tensor word_embeddings, position_embeddings;
  std::vector<TransformerLayer> layers;
  // λ ≥ 0 of each layer, [heads] or [1]; empty where one number serves them all. Parameters, whose gradient is off
  // unless they learn; config.json holds their values, checkpoints their bits.
  std::vector<torch::Tensor> layer_strengths;

 protected:
  explicit LanguageModelImpl(const ModelConfig& config);

  // Weights from N(0, initializer_range²), those of projections onto the residual times `residual_scale`; biases 0,
  // LayerNorm 1 and 0.
  void draw_weights(uint64_t seed, double residual_scale);
  // Rows of the word embeddings. In training their gradient is sparse where the projection is tied to them: it is added
  // to that of the projection, which covers the whole table, and would be nearly all zeros.
  torch::Tensor embed_words(const torch::Tensor& input_ids) const;
  // Errors of input_ids that are not [B, n] int64 in the vocabulary, at positions from `first` on.
  void check_ids(const torch::Tensor& input_ids, int64_t first) const;
  torch::Tensor in_compute_type(const torch::Tensor& hidden) const {
    return compute_type ? hidden.to(*compute_type) : hidden;
  }
  // The embeddings' sum → the last layer's output, all by refined attention as config says.
  torch::Tensor run_layers(torch::Tensor hidden, const torch::Tensor& attention_mask, const AttentionProbe& probe);
  attention::AttentionOptions attention_options(size_t layer) const;
};
// Names of layer_strengths begin so: an optimiser gives them a rate of their own.
inline constexpr const char* kStrengthName = "strengths_layer_";

using LanguageModel = std::shared_ptr<LanguageModelImpl>;

// A model of the config's family. Weights are drawn with `seed`; without one they are left as memory held them, to be
// loaded. Without the head only hidden_states() can be used.
LanguageModel make_model(const ModelConfig& config, std::optional<uint64_t> seed, bool with_head = true);

}  // namespace saobp::model
