#include "saobp/model/bert.h"

#include <numbers>

#include "saobp/model/dropout.h"

namespace saobp::model {
namespace {

torch::Tensor layer_norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, double eps) {
  return torch::layer_norm(x, {x.size(-1)}, weight, bias, eps);
}

torch::Tensor activation(const std::string& name, const torch::Tensor& x) {
  if (name == "gelu") return torch::gelu(x);
  if (name == "gelu_new") return torch::gelu(x, "tanh");
  return torch::relu(x);
}

}  // namespace

BertLayerImpl::BertLayerImpl(const BertConfig& c) : config(c) {
  const int64_t h = c.hidden_size, f = c.intermediate_size;
  qkv_weight = register_parameter("attention_self_qkv_weight", torch::empty({3 * h, h}));
  qkv_bias = register_parameter("attention_self_qkv_bias", torch::empty({3 * h}));
  output_weight = register_parameter("attention_output_dense_weight", torch::empty({h, h}));
  output_bias = register_parameter("attention_output_dense_bias", torch::empty({h}));
  attention_norm_weight = register_parameter("attention_output_LayerNorm_weight", torch::empty({h}));
  attention_norm_bias = register_parameter("attention_output_LayerNorm_bias", torch::empty({h}));
  up_weight = register_parameter("intermediate_dense_weight", torch::empty({f, h}));
  up_bias = register_parameter("intermediate_dense_bias", torch::empty({f}));
  down_weight = register_parameter("output_dense_weight", torch::empty({h, f}));
  down_bias = register_parameter("output_dense_bias", torch::empty({h}));
  norm_weight = register_parameter("output_LayerNorm_weight", torch::empty({h}));
  norm_bias = register_parameter("output_LayerNorm_bias", torch::empty({h}));
}

torch::Tensor BertLayerImpl::forward(const torch::Tensor& hidden, const attention::AttentionOptions& options,
                                     uint64_t seed,
                                     const std::function<void(const torch::Tensor&, const torch::Tensor&)>& probe) {
  const int64_t batch = hidden.size(0), length = hidden.size(1), heads = config.num_attention_heads;
  const double p = is_training() ? config.hidden_dropout_prob : 0.0;

  // [B, L, 3C] seen as three [B, H, L, C/H], without a copy.
  auto qkv = torch::linear(hidden, qkv_weight, qkv_bias).view({batch, length, 3, heads, config.head_size()});
  auto query = qkv.select(2, 0).transpose(1, 2), key = qkv.select(2, 1).transpose(1, 2);
  auto value = qkv.select(2, 2).transpose(1, 2);
  if (probe) probe(query, key);
  auto own = options;
  own.dropout = is_training() ? config.attention_probs_dropout_prob : 0.0;
  own.seed = static_cast<int64_t>(derive_seed(seed, 0));
  auto context =
      attention::refined_attention(query, key, value, own).transpose(1, 2).reshape({batch, length, config.hidden_size});

  auto attended = torch::linear(context, output_weight, output_bias);
  auto x = layer_norm(dropout_add(attended, hidden, p, derive_seed(seed, 1)), attention_norm_weight,
                      attention_norm_bias, config.layer_norm_eps);
  auto up = activation(config.hidden_act, torch::linear(x, up_weight, up_bias));
  auto down = torch::linear(up, down_weight, down_bias);
  return layer_norm(dropout_add(down, x, p, derive_seed(seed, 2)), norm_weight, norm_bias, config.layer_norm_eps);
}

BertImpl::BertImpl(const BertConfig& c, std::optional<uint64_t> seed, bool with_head) : config(c) {
  const int64_t h = c.hidden_size;
  word_embeddings = register_parameter("embeddings_word_embeddings_weight", torch::empty({c.vocab_size, h}));
  position_embeddings =
      register_parameter("embeddings_position_embeddings_weight", torch::empty({c.max_position_embeddings, h}));
  token_type_embeddings =
      register_parameter("embeddings_token_type_embeddings_weight", torch::empty({c.type_vocab_size, h}));
  norm_weight = register_parameter("embeddings_LayerNorm_weight", torch::empty({h}));
  norm_bias = register_parameter("embeddings_LayerNorm_bias", torch::empty({h}));
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    layers.push_back(register_module("layer_" + std::to_string(i), BertLayer(c)));
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
  torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(*seed);
  for (auto& item : named_parameters()) {
    auto& value = item.value();
    if (value.dim() == 2)
      value.normal_(0.0, c.initializer_range, generator);
    else
      value.fill_(item.key().ends_with("LayerNorm_weight") ? 1.0 : 0.0);
  }
  word_embeddings[c.pad_token_id].zero_();
}

void BertImpl::set_sinusoidal_positions() {
  torch::NoGradGuard no_grad;
  const int64_t length = config.max_position_embeddings, channels = config.hidden_size;
  const auto exponents = torch::arange(0, channels, 2, torch::kDouble) / static_cast<double>(channels);
  const auto angles = torch::outer(torch::arange(length, torch::kDouble), torch::pow(10000.0, -exponents));
  const auto waves = torch::cat({angles.sin(), angles.cos()}, 1).slice(1, 0, channels);
  position_embeddings.copy_(waves * (config.initializer_range * std::numbers::sqrt2));
}

torch::Tensor BertImpl::encode(const torch::Tensor& input_ids, const torch::Tensor& attention_mask,
                               const torch::Tensor& token_type_ids, const AttentionProbe& probe) {
  TORCH_CHECK(input_ids.dim() == 2 && input_ids.scalar_type() == torch::kLong,
              "input_ids must be [batch, length] int64");
  const int64_t length = input_ids.size(1);
  if (length > config.max_position_embeddings)
    fail("the sequence has ", length, " tokens, the model's position table ends at ", config.max_position_embeddings);
  if (input_ids.numel() > 0) {
    auto [lowest, highest] = torch::aminmax(input_ids);
    if (lowest.item<int64_t>() < 0 || highest.item<int64_t>() >= config.vocab_size)
      fail("token ids run from ", lowest.item<int64_t>(), " to ", highest.item<int64_t>(),
           "; the model's vocabulary has ", config.vocab_size, " (another tokenizer?)");
  }
  const double p = is_training() ? config.hidden_dropout_prob : 0.0;
  auto types =
      token_type_ids.defined() ? torch::embedding(token_type_embeddings, token_type_ids) : token_type_embeddings[0];
  auto hidden = torch::embedding(word_embeddings, input_ids) + (position_embeddings.slice(0, 0, length) + types);
  hidden = dropout(layer_norm(hidden, norm_weight, norm_bias, config.layer_norm_eps), p, derive_seed(dropout_seed, 0));

  const auto& refined = config.refined_attention;
  auto options = attention::from_variant(refined.attention, refined.strength);
  options.exclude_self = refined.exclude_self;
  if (attention_mask.defined()) options.key_mask = attention_mask;
  for (size_t i = 0; i < layers.size(); ++i) {
    std::function<void(const torch::Tensor&, const torch::Tensor&)> layer_probe;
    if (probe)
      layer_probe = [&, i](const torch::Tensor& query, const torch::Tensor& key) {
        probe(static_cast<int64_t>(i), query, key, options);
      };
    hidden = layers[i]->forward(hidden, options, derive_seed(dropout_seed, i + 1), layer_probe);
  }
  return hidden;
}

torch::Tensor BertImpl::mlm_logits(const torch::Tensor& hidden) {
  if (!has_head()) fail("this checkpoint has no masked-LM head (tensors cls.predictions.*)");
  auto x = activation(config.hidden_act, torch::linear(hidden, transform_weight, transform_bias));
  x = layer_norm(x, transform_norm_weight, transform_norm_bias, config.layer_norm_eps);
  return torch::linear(x, decoder_weight.defined() ? decoder_weight : word_embeddings, head_bias);
}

}  // namespace saobp::model
