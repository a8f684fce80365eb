#include "saobp/model/layer.h"

#include <algorithm>

#include "saobp/model/add_norm.h"
#include "saobp/model/dropout.h"
#include "saobp/model/matmul.h"

namespace saobp::model {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// QK-norm: x / √(mean x² + ε) · gain over a head's channels, ε as in Qwen3.
torch::Tensor head_norm(const torch::Tensor& x, const torch::Tensor& gain) {
  return gain.defined() ? torch::rms_norm(x, {x.size(-1)}, gain.to(x.scalar_type()), 1e-6) : x;
}

// [B, L, 3, H, D] → query, key, value [B, H, L, D], views. Their gradients come back in one sweep; autograd's own way
// through three select() fills and adds three tensors of the whole size.
struct Parts : torch::autograd::Function<Parts> {
  static variable_list forward(AutogradContext* context, const torch::Tensor& qkv) {
    context->saved_data["sizes"] = qkv.sizes();
    variable_list parts;
    for (int64_t i = 0; i < 3; ++i) parts.push_back(qkv.select(2, i).transpose(1, 2));
    return parts;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const auto defined = std::find_if(gradients.begin(), gradients.end(), [](const auto& g) { return g.defined(); });
    auto whole = torch::empty(sizes, defined->options());
    for (int64_t i = 0; i < 3; ++i) {
      auto part = whole.select(2, i);
      gradients[i].defined() ? part.copy_(gradients[i].transpose(1, 2)) : part.zero_();
    }
    return {whole};
  }
};

// [B, L, C] → [1, N, C] of N of the B · L tokens; all where `places` is undefined.
torch::Tensor tokens_at(const torch::Tensor& hidden, const torch::Tensor& places) {
  if (!places.defined()) return hidden;
  return hidden.reshape({-1, hidden.size(2)}).index_select(0, places).unsqueeze(0);
}

}  // namespace

// The names are BERT's in every family: the states of optimisers in checkpoints go by them.
TransformerLayerImpl::TransformerLayerImpl(const ModelConfig& c, int64_t number)
    : config_(c), score_scale_(c.score_scale(number)) {
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

torch::Tensor TransformerLayerImpl::stored_weight(LayerWeight which) const {
  return which == kQkv ? qkv_weight : which == kOutput ? output_weight : which == kUp ? up_weight : down_weight;
}

torch::Tensor TransformerLayerImpl::weight(LayerWeight which) const {
  return sigma.empty() ? stored_weight(which) : sigma[which]->effective(stored_weight(which));
}

torch::Tensor TransformerLayerImpl::attend(const torch::Tensor& x, const AttentionFunction& attention,
                                           const torch::Tensor& places) {
  const int64_t batch = x.size(0), length = x.size(1);
  // [B, L, 3C] seen as three [B, H, L, C/H], without a copy.
  const auto qkv =
      dense(x, weight(kQkv), qkv_bias).view({batch, length, 3, config_.num_attention_heads, config_.head_size()});
  const auto parts = Parts::apply(qkv);
  auto query = head_norm(parts[0], query_norm_weight);
  if (score_scale_ != 1) query = query * score_scale_;
  auto context = attention(query, head_norm(parts[1], key_norm_weight), parts[2])
                     .transpose(1, 2)
                     .reshape({batch, length, config_.hidden_size});
  return dense(tokens_at(context, places), weight(kOutput));
}

torch::Tensor TransformerLayerImpl::feed_forward(const torch::Tensor& x) {
  return dense(bias_activation(config_.hidden_act, dense(x, weight(kUp)), up_bias), weight(kDown));
}

torch::Tensor TransformerLayerImpl::forward(const torch::Tensor& hidden, const AttentionFunction& attention,
                                            uint64_t seed, const torch::Tensor& places) {
  const double p = is_training() ? config_.hidden_dropout_prob : 0.0;
  const double after_attention = config_.family->dropout_after_attention ? p : 0.0;
  const uint64_t first = derive_seed(seed, 1), second = derive_seed(seed, 2);
  const Norm attention_norm{attention_norm_weight, attention_norm_bias, config_.layer_norm_eps};
  const Norm norm{norm_weight, norm_bias, config_.layer_norm_eps};
  if (config_.family->norm == NormPlace::before) {
    const auto attended = attend(layer_norm(hidden, attention_norm), attention, places);
    const auto [sum, normed] =
        dropout_add_and_norm(attended, output_bias, tokens_at(hidden, places), after_attention, first, norm);
    return dropout_add(feed_forward(normed), down_bias, sum, p, second);
  }
  const auto x = dropout_add_norm(attend(hidden, attention, places), output_bias, tokens_at(hidden, places),
                                  after_attention, first, attention_norm);
  return dropout_add_norm(feed_forward(x), down_bias, x, p, second, norm);
}

}  // namespace saobp::model
