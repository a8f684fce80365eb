#include "saobp/model/bert.h"

#include "saobp/model/add_norm.h"
#include "saobp/model/dropout.h"
#include "saobp/model/matmul.h"
#include "saobp/model/weight_names.h"

namespace saobp::model {

BertImpl::BertImpl(const ModelConfig& c, std::optional<uint64_t> seed, bool with_head) : LanguageModelImpl(c) {
  const int64_t h = c.hidden_size;
  token_type_embeddings =
      register_parameter("embeddings_token_type_embeddings_weight", torch::empty({c.type_vocab_size, h}));
  norm_weight = register_parameter("embeddings_LayerNorm_weight", torch::empty({h}));
  norm_bias = register_parameter("embeddings_LayerNorm_bias", torch::empty({h}));
  if (with_head) {
    transform_weight = register_parameter("head_transform_dense_weight", torch::empty({h, h}));
    transform_bias = register_parameter("head_transform_dense_bias", torch::empty({h}));
    transform_norm_weight = register_parameter("head_transform_LayerNorm_weight", torch::empty({h}));
    transform_norm_bias = register_parameter("head_transform_LayerNorm_bias", torch::empty({h}));
    if (!c.tie_word_embeddings)
      decoder_weight = register_parameter("head_decoder_weight", torch::empty({c.vocab_size, h}));
    head_bias = register_parameter("head_bias", torch::empty({c.vocab_size}));
  }
  if (!seed) return;
  draw_weights(*seed, /*residual_scale=*/1);
  torch::NoGradGuard no_grad;
  word_embeddings[c.pad_token_id].zero_();
}

torch::Tensor BertImpl::encode(const torch::Tensor& input_ids, const torch::Tensor& attention_mask,
                               const torch::Tensor& token_type_ids, const AttentionProbe& probe) {
  check_ids(input_ids, 0);
  const double p = is_training() ? config.hidden_dropout_prob : 0.0;
  auto types =
      token_type_ids.defined() ? torch::embedding(token_type_embeddings, token_type_ids) : token_type_embeddings[0];
  auto hidden = embed_words(input_ids) + (position_embeddings.slice(0, 0, input_ids.size(1)) + types);
  hidden = in_compute_type(layer_norm(hidden, {norm_weight, norm_bias, config.layer_norm_eps}));
  hidden = dropout(hidden, p, derive_seed(dropout_seed, 0));
  return run_layers(hidden, attention_mask, probe);
}

void BertImpl::require_head() const {
  if (!has_head()) fail("this checkpoint has no masked-LM head (tensors cls.predictions.*)");
}

torch::Tensor BertImpl::head_states(const torch::Tensor& hidden) {
  require_head();
  const auto x = bias_activation(config.hidden_act, dense(hidden, transform_weight), transform_bias);
  return layer_norm(x, {transform_norm_weight, transform_norm_bias, config.layer_norm_eps});
}

OutputProjection BertImpl::projection() {
  require_head();
  return {decoder_weight.defined() ? decoder_weight : word_embeddings, head_bias};
}

TensorList BertImpl::named_weights() {
  WeightNames list;
  const int64_t h = config.hidden_size;
  list.add("bert.embeddings.word_embeddings.weight", word_embeddings);
  list.add("bert.embeddings.position_embeddings.weight", position_embeddings);
  list.add("bert.embeddings.token_type_embeddings.weight", token_type_embeddings);
  list.add_pair("bert.embeddings.LayerNorm", norm_weight, norm_bias);
  for (size_t i = 0; i < layers.size(); ++i) {
    auto& layer = *layers[i];
    const std::string prefix = "bert.encoder.layer." + std::to_string(i) + ".";
    const char* parts[] = {"query", "key", "value"};
    for (int64_t part = 0; part < 3; ++part)
      list.add_pair(prefix + "attention.self." + parts[part], layer.qkv_weight.slice(0, part * h, (part + 1) * h),
                    layer.qkv_bias.slice(0, part * h, (part + 1) * h));
    if (config.refined_attention.qk_norm) {
      list.add(prefix + "attention.self.query_norm.weight", layer.query_norm_weight);
      list.add(prefix + "attention.self.key_norm.weight", layer.key_norm_weight);
    }
    list.add_pair(prefix + "attention.output.dense", layer.output_weight, layer.output_bias);
    list.add_pair(prefix + "attention.output.LayerNorm", layer.attention_norm_weight, layer.attention_norm_bias);
    list.add_pair(prefix + "intermediate.dense", layer.up_weight, layer.up_bias);
    list.add_pair(prefix + "output.dense", layer.down_weight, layer.down_bias);
    list.add_pair(prefix + "output.LayerNorm", layer.norm_weight, layer.norm_bias);
  }
  if (has_head()) {
    list.add(kBertHeadBias, head_bias);
    list.add_pair("cls.predictions.transform.dense", transform_weight, transform_bias);
    list.add_pair("cls.predictions.transform.LayerNorm", transform_norm_weight, transform_norm_bias);
    if (decoder_weight.defined()) list.add(kBertDecoder, decoder_weight);
  }
  return list.tensors;
}

}  // namespace saobp::model
