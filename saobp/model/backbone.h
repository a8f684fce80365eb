// Token ids → hidden states: embeddings and layers of refined attention, for any family.
//
// Shapes: B sequences, L tokens, C hidden channels, E channels of the embeddings, H heads, V vocabulary.
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

// What a layer's attention is given: query, key and value [B, H, L, C/H], and the options of the call, without dropout.
struct AttentionCall {
  int64_t layer;  // from 0
  const torch::Tensor &query, &key, &value;
  const attention::AttentionOptions& options;
};
// Called once a layer.
using AttentionProbe = std::function<void(const AttentionCall& call)>;

// Rows of tokens as a model takes them.
struct Inputs {
  Inputs(torch::Tensor input_ids, torch::Tensor mask = {}, torch::Tensor types = {})
      : ids(std::move(input_ids)), attention_mask(std::move(mask)), token_type_ids(std::move(types)) {}

  torch::Tensor ids;             // [B, L] int64
  torch::Tensor attention_mask;  // [B, L] bool, true = real token; undefined: all real
  torch::Tensor token_type_ids;  // [B, L] int64; undefined: all 0. Families without token types take no others
};

struct BackboneImpl : torch::nn::Module {
  // → [B, L, C]. In training mode dropout draws from `dropout_seed`. Error when L exceeds config.max_length(), or an id
  // lies outside of the vocabulary or of the token types. A decoder's positions count from the row's first place,
  // whatever the mask says; outputs of padded places mean nothing.
  torch::Tensor hidden_states(const Inputs& inputs, const AttentionProbe& probe = {});
  // Those of N tokens alone, indices into the B · L → [N, C]: what follows the last layer's attention is not made for
  // the others. In training mode dropout draws other masks there than for all tokens.
  torch::Tensor hidden_states_at(const Inputs& inputs, const torch::Tensor& places);

  // Starts the position embeddings from the sines and cosines of Vaswani et al. (2017), with the standard deviation
  // that the drawn values have: a fixed distance is then the same rotation everywhere, which is learnt much sooner.
  void set_sinusoidal_positions();

  // One power iteration of σReparam in every layer, for a training step; nothing where there is none.
  void iterate_sigma();
  // Of loaded weights: the gains of σReparam become such that it makes these weights again.
  void keep_sigma();
  // Lets λ learn, one for each layer or for each head: config.refined_attention.strengths must be there.
  void learn_strengths();
  // Puts these in the place of its own, of the same shape.
  void set_strengths(const Strengths& strengths);
  // Back into [0, 20], where an update has left it.
  void clamp_strengths();
  // λ of each layer as attention uses it now, times strength_scale; floats as their shortest decimals.
  Strengths strengths() const;
  // The config as a file is to have it: with the strengths that are used and the positions that are trained now.
  ModelConfig current_config() const;

  const ModelConfig config;
  int64_t trained_positions = config.trained_positions;  // of now; rows of training may have reached further since
  uint64_t dropout_seed = 0;
  // What hidden states are computed in: float, or bfloat16, for which the weights are rounded on the way; sums, norms
  // and softmax stay in float. The weights' own type where none is named.
  std::optional<torch::ScalarType> compute_type;
  double strength_scale = 1;  // what λ is multiplied with, while training warms it up
  // Where it is set, called with "the embeddings", "layer 0" … and their values [B, L, C] (overflow.h).
  std::function<void(const std::string& what, const torch::Tensor& values)> watch;
  // Where it is set, called with each layer's attention and what came of it [B, H, L, C/H]; what it gives back goes on.
  std::function<torch::Tensor(const AttentionCall& call, torch::Tensor output)> change_attention;
  // What a family does not have is undefined.
  torch::Tensor word_embeddings, position_embeddings, token_type_embeddings;  // [·, E]
  torch::Tensor projection_weight, projection_bias;                           // [C, E], [C], where E is not C
  torch::Tensor norm_weight, norm_bias;  // of the embeddings [E], or of the last layer's output [C]
  std::vector<TransformerLayer> layers;
  // λ ≥ 0 of each layer, [heads] or [1]; empty where one number serves them all. Parameters, whose gradient is off
  // unless they learn; config.json holds their values, checkpoints their bits.
  std::vector<torch::Tensor> layer_strengths;

  // Parts of hidden_states, for what goes another way through them (decoder.h). The embeddings of ids [B, n] from the
  // place `first` of their rows on, after their norm; of the last layer's output what the head takes; the options of a
  // layer's attention, without a mask.
  torch::Tensor embed(const Inputs& inputs, int64_t first) const;
  torch::Tensor finish(const torch::Tensor& hidden) const;
  attention::AttentionOptions attention_options(size_t layer) const;

 protected:
  explicit BackboneImpl(const ModelConfig& config);

  // Weights from N(0, initializer_range²), those of projections onto the residual divided by √(2 · layers) where norms
  // stand before (Radford et al. 2019); biases 0, LayerNorm 1 and 0, the embedding of padding 0.
  void draw_weights(uint64_t seed);

 private:
  torch::Tensor run(const Inputs& inputs, const AttentionProbe& probe, const torch::Tensor& places);
  torch::Tensor embed_words(const torch::Tensor& input_ids) const;
  torch::Tensor positions_of(const torch::Tensor& input_ids, int64_t first) const;
  void check_ids(const Inputs& inputs, int64_t first) const;
  torch::Tensor in_compute_type(const torch::Tensor& hidden) const {
    return compute_type ? hidden.to(*compute_type) : hidden;
  }
  torch::Tensor run_layers(torch::Tensor hidden, const torch::Tensor& attention_mask, const AttentionProbe& probe,
                           const torch::Tensor& places);
};
// Names of layer_strengths begin so: an optimiser gives them a rate of their own.
inline constexpr const char* kStrengthName = "strengths_layer_";

}  // namespace saobp::model
