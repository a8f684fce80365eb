#include "saobp/model/layer.h"

#include "saobp/model/dropout.h"

namespace saobp::model {

torch::Tensor layer_norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, double eps) {
  return torch::layer_norm(x, {x.size(-1)}, weight, bias, eps);
}

torch::Tensor activation(const std::string& name, const torch::Tensor& x) {
  if (name == "gelu") return torch::gelu(x);
  if (name == "gelu_new") return torch::gelu(x, "tanh");
  return torch::relu(x);
}

namespace {

// QK-norm: x / √(mean x² + ε) · gain over a head's channels, ε as in Qwen3.
torch::Tensor head_norm(const torch::Tensor& x, const torch::Tensor& gain) {
  return gain.defined() ? torch::rms_norm(x, {x.size(-1)}, gain.to(x.scalar_type()), 1e-6) : x;
}

}  // namespace

// The names are BERT's in either family: the states of optimisers in checkpoints go by them.
TransformerLayerImpl::TransformerLayerImpl(const ModelConfig& c) : config_(c) {
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
  if (c.refined_attention.qk_norm) {
    query_norm_weight = register_parameter("attention_self_query_norm_weight", torch::empty({c.head_size()}));
    key_norm_weight = register_parameter("attention_self_key_norm_weight", torch::empty({c.head_size()}));
  }
  if (c.sigma_reparam)
    sigma = {register_module("attention_self_qkv_sigma", SigmaReparam(3, h, h)),
             register_module("attention_output_dense_sigma", SigmaReparam(1, h, h)),
             register_module("intermediate_dense_sigma", SigmaReparam(1, f, h)),
             register_module("output_dense_sigma", SigmaReparam(1, h, f))};
}

torch::Tensor TransformerLayerImpl::stored_weight(Matrix matrix) const {
  return matrix == kQkv ? qkv_weight : matrix == kOutput ? output_weight : matrix == kUp ? up_weight : down_weight;
}

torch::Tensor TransformerLayerImpl::weight(Matrix matrix) const {
  return sigma.empty() ? stored_weight(matrix) : sigma[matrix]->effective(stored_weight(matrix));
}

torch::Tensor TransformerLayerImpl::attention_norm(const torch::Tensor& x) {
  return layer_norm(x, attention_norm_weight, attention_norm_bias, config_.layer_norm_eps);
}

torch::Tensor TransformerLayerImpl::norm(const torch::Tensor& x) {
  return layer_norm(x, norm_weight, norm_bias, config_.layer_norm_eps);
}

torch::Tensor TransformerLayerImpl::attend(const torch::Tensor& x, const AttentionFunction& attention) {
  const int64_t batch = x.size(0), length = x.size(1);
  // [B, L, 3C] seen as three [B, H, L, C/H], without a copy.
  auto qkv = torch::linear(x, weight(kQkv), qkv_bias)
                 .view({batch, length, 3, config_.num_attention_heads, config_.head_size()});
  const auto part = [&](int64_t i, const torch::Tensor& gain = {}) {
    return head_norm(qkv.select(2, i), gain).transpose(1, 2);
  };
  auto context = attention(part(0, query_norm_weight), part(1, key_norm_weight), part(2))
                     .transpose(1, 2)
                     .reshape({batch, length, config_.hidden_size});
  return torch::linear(context, weight(kOutput), output_bias);
}

torch::Tensor TransformerLayerImpl::feed_forward(const torch::Tensor& x) {
  auto up = activation(config_.hidden_act, torch::linear(x, weight(kUp), up_bias));
  return torch::linear(up, weight(kDown), down_bias);
}

torch::Tensor TransformerLayerImpl::forward(const torch::Tensor& hidden, const AttentionFunction& attention,
                                            uint64_t seed) {
  const double p = is_training() ? config_.hidden_dropout_prob : 0.0;
  const uint64_t first = derive_seed(seed, 1), second = derive_seed(seed, 2);
  if (config_.causal()) {
    auto x = dropout_add(attend(attention_norm(hidden), attention), hidden, p, first);
    return dropout_add(feed_forward(norm(x)), x, p, second);
  }
  auto x = attention_norm(dropout_add(attend(hidden, attention), hidden, p, first));
  return norm(dropout_add(feed_forward(x), x, p, second));
}

}  // namespace saobp::model
