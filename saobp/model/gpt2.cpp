#include "saobp/model/gpt2.h"

#include <cmath>

#include "saobp/io/error.h"
#include "saobp/model/add_norm.h"
#include "saobp/model/dropout.h"
#include "saobp/model/weight_names.h"

namespace saobp::model {

Gpt2Impl::Gpt2Impl(const ModelConfig& c, std::optional<uint64_t> seed, bool with_head) : LanguageModelImpl(c) {
  norm_weight = register_parameter("final_LayerNorm_weight", torch::empty({c.hidden_size}));
  norm_bias = register_parameter("final_LayerNorm_bias", torch::empty({c.hidden_size}));
  if (with_head && !c.tie_word_embeddings)
    head_weight = register_parameter("head_weight", torch::empty({c.vocab_size, c.hidden_size}));
  if (seed) draw_weights(*seed, 1 / std::sqrt(2.0 * static_cast<double>(c.num_hidden_layers)));
}

torch::Tensor Gpt2Impl::embed(const torch::Tensor& input_ids, int64_t first) const {
  check_ids(input_ids, first);
  return in_compute_type(embed_words(input_ids) + position_embeddings.slice(0, first, first + input_ids.size(1)));
}

torch::Tensor Gpt2Impl::last_norm(const torch::Tensor& hidden) const {
  return layer_norm(hidden, {norm_weight, norm_bias, config.layer_norm_eps});
}

torch::Tensor Gpt2Impl::hidden_states(const torch::Tensor& input_ids, const torch::Tensor& attention_mask,
                                      const AttentionProbe& probe) {
  const double p = is_training() ? config.embedding_dropout_prob : 0.0;
  const auto embedded = dropout(embed(input_ids, 0), p, derive_seed(dropout_seed, 0));
  return last_norm(run_layers(embedded, attention_mask, probe));
}

OutputProjection Gpt2Impl::projection() {
  if (!has_head()) fail("this checkpoint has no language-model head (tensor lm_head.weight)");
  return {head_weight.defined() ? head_weight : word_embeddings, {}};
}

Gpt2Cache Gpt2Impl::new_cache() const {
  torch::NoGradGuard no_grad;
  Gpt2Cache cache;
  for (size_t i = 0; i < layers.size(); ++i) cache.layers.emplace_back(attention_options(i));
  return cache;
}

torch::Tensor Gpt2Impl::decode(const torch::Tensor& input_ids, Gpt2Cache& cache) {
  torch::NoGradGuard no_grad;
  if (is_training()) fail("decode: the model is in training mode; evaluation mode was expected");
  auto hidden = embed(input_ids, cache.length());
  for (size_t i = 0; i < layers.size(); ++i)
    hidden = layers[i]->forward(
        hidden,
        [&](const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value) {
          return attention::prefill(cache.layers[i], query, key, value);
        },
        /*seed=*/0);
  return last_norm(hidden);
}

TensorList Gpt2Impl::named_weights() {
  WeightNames list;
  // transformers' Conv1D keeps its weights as [in, out].
  const auto add_conv = [&](const std::string& name, const torch::Tensor& weight, const torch::Tensor& bias) {
    list.add_pair(name, weight.t(), bias);
  };
  list.add("transformer.wte.weight", word_embeddings);
  list.add("transformer.wpe.weight", position_embeddings);
  for (size_t i = 0; i < layers.size(); ++i) {
    auto& layer = *layers[i];
    const std::string prefix = "transformer.h." + std::to_string(i) + ".";
    list.add_pair(prefix + "ln_1", layer.attention_norm_weight, layer.attention_norm_bias);
    add_conv(prefix + "attn.c_attn", layer.qkv_weight, layer.qkv_bias);
    if (config.refined_attention.qk_norm) {
      list.add(prefix + "attn.query_norm.weight", layer.query_norm_weight);
      list.add(prefix + "attn.key_norm.weight", layer.key_norm_weight);
    }
    add_conv(prefix + "attn.c_proj", layer.output_weight, layer.output_bias);
    list.add_pair(prefix + "ln_2", layer.norm_weight, layer.norm_bias);
    add_conv(prefix + "mlp.c_fc", layer.up_weight, layer.up_bias);
    add_conv(prefix + "mlp.c_proj", layer.down_weight, layer.down_bias);
  }
  list.add_pair("transformer.ln_f", norm_weight, norm_bias);
  if (head_weight.defined()) list.add(kGpt2Head, head_weight);
  return list.tensors;
}

}  // namespace saobp::model
