// BERT (Devlin et al. 2019) with refined attention, and its masked-LM head.
//
// Shapes: B sequences, L tokens, C hidden channels, H heads, V vocabulary.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "saobp/attention/refined_attention.h"
#include "saobp/model/config.h"

namespace saobp::model {

// Called once a layer with what its attention sees: query and key [B, H, L, C/H], and the options of the call.
using AttentionProbe = std::function<void(int64_t layer, const torch::Tensor& query, const torch::Tensor& key,
                                          const attention::AttentionOptions& options)>;

// Names of parameters, without the prefix, are those of transformers' BertLayer, but query, key and value are packed
// into one matrix [3C, C], so that one product makes all three (weights.h parts them in files).
struct BertLayerImpl : torch::nn::Module {
  BertLayerImpl(const BertConfig& config);
  // hidden [B, L, C]; seeds of the layer's dropouts are derived from `seed`.
  torch::Tensor forward(const torch::Tensor& hidden, const attention::AttentionOptions& attention, uint64_t seed,
                        const std::function<void(const torch::Tensor&, const torch::Tensor&)>& probe);

  BertConfig config;
  torch::Tensor qkv_weight, qkv_bias, output_weight, output_bias, attention_norm_weight, attention_norm_bias;
  torch::Tensor up_weight, up_bias, down_weight, down_bias, norm_weight, norm_bias;
};
TORCH_MODULE(BertLayer);

struct BertImpl : torch::nn::Module {
  // Weights are drawn from N(0, initializer_range²) with `seed`; biases 0, LayerNorm 1 and 0, the padding row 0.
  // Without the head only encode() can be used.
  // Without a seed they are left as memory held them, to be loaded.
  BertImpl(const BertConfig& config, std::optional<uint64_t> seed, bool with_head = true);

  // input_ids [B, L] int64 → hidden states [B, L, C]. attention_mask [B, L] bool, true = real token; undefined: all
  // real. token_type_ids [B, L]; undefined: all 0. In training mode dropout draws from `dropout_seed`.
  // Error when L exceeds max_position_embeddings or an id lies outside of the vocabulary.
  torch::Tensor encode(const torch::Tensor& input_ids, const torch::Tensor& attention_mask = {},
                       const torch::Tensor& token_type_ids = {}, const AttentionProbe& probe = {});
  // Any rows of hidden states [N, C] → logits [N, V].
  torch::Tensor mlm_logits(const torch::Tensor& hidden);

  // Starts the position embeddings from the sines and cosines of Vaswani et al. (2017), with the standard deviation
  // that the drawn values have: a fixed distance is then the same rotation everywhere, which is learnt much sooner.
  void set_sinusoidal_positions();

  bool has_head() const { return head_bias.defined(); }

  const BertConfig config;
  uint64_t dropout_seed = 0;
  torch::Tensor word_embeddings, position_embeddings, token_type_embeddings, norm_weight, norm_bias;
  std::vector<BertLayer> layers;
  // The head; decoder_weight is defined only where it is not tied to word_embeddings.
  torch::Tensor transform_weight, transform_bias, transform_norm_weight, transform_norm_bias, decoder_weight, head_bias;
};
TORCH_MODULE(Bert);

}  // namespace saobp::model
