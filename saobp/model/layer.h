// One layer of a transformer: self-attention and a feed-forward network, each with its LayerNorm and residual.
//
// Shapes: B sequences, L tokens, C hidden channels, H heads.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "saobp/model/config.h"
#include "saobp/model/libtorch.h"
#include "saobp/model/sigma_reparam.h"

namespace saobp::model {

// What makes a layer's attention: query, key and value [B, H, L, C/H] → [B, H, L, C/H].
using AttentionFunction =
    std::function<torch::Tensor(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value)>;

// The four matrices of a layer.
enum LayerWeight : size_t { kQkv, kOutput, kUp, kDown };

// All families have the same parts and differ in where LayerNorm stands (family.h). Weights are [out, in]; query, key
// and value are packed into one matrix [3C, C], so that one product makes all three. Files may lay them out otherwise
// (weight_names.h).
struct TransformerLayerImpl : torch::nn::Module {
  // `number` counts layers from 0.
  TransformerLayerImpl(const ModelConfig& config, int64_t number);
  // hidden [B, L, C] → [B, L, C]; in training mode dropout draws from seeds derived from `seed`. With `places`, N
  // indices into the B · L tokens, what follows attention is done for these alone: → [1, N, C].
  torch::Tensor forward(const torch::Tensor& hidden, const AttentionFunction& attention, uint64_t seed,
                        const torch::Tensor& places = {});

  // A matrix as products use it: with σReparam Ŵ, made anew at each call, else the parameter itself.
  torch::Tensor weight(LayerWeight which) const;
  // The parameter.
  torch::Tensor stored_weight(LayerWeight which) const;

  torch::Tensor qkv_weight, qkv_bias, output_weight, output_bias, attention_norm_weight, attention_norm_bias;
  torch::Tensor up_weight, up_bias, down_weight, down_bias, norm_weight, norm_bias;
  torch::Tensor query_norm_weight, key_norm_weight;  // gains of QK-norm, [C/H], defined where the config has it
  std::vector<SigmaReparam> sigma;                   // of each LayerWeight; empty where the config has none

 private:
  // Both without the last bias, which the sum with the residual adds.
  torch::Tensor attend(const torch::Tensor& x, const AttentionFunction& attention, const torch::Tensor& places);
  torch::Tensor feed_forward(const torch::Tensor& x);

  ModelConfig config_;
  double score_scale_;
};
TORCH_MODULE(TransformerLayer);

}  // namespace saobp::model
