#include "saobp/model/backbone.h"

#include <charconv>
#include <cmath>
#include <numbers>

#include "saobp/io/error.h"
#include "saobp/model/add_norm.h"
#include "saobp/model/dropout.h"
#include "saobp/model/matmul.h"

namespace saobp::model {
namespace {

// The shortest decimal that is this float again: 0.1f is 0.1 in a file, not 0.10000000149.
double shortest(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double result = 0;
  std::from_chars(text, end, result);
  return result;
}

}  // namespace

// The names are BERT's in every family: the states of optimisers in checkpoints go by them.
BackboneImpl::BackboneImpl(const ModelConfig& c) : config(c) {
  const int64_t e = c.embedding_channels();
  const auto& names = c.family->tensors;
  const auto add = [&](const std::string& name, torch::IntArrayRef sizes) {
    return register_parameter(name, torch::empty(sizes));
  };
  word_embeddings = add("embeddings_word_embeddings_weight", {c.vocab_size, e});
  position_embeddings = add("embeddings_position_embeddings_weight", {c.max_position_embeddings, e});
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    layers.push_back(register_module("layer_" + std::to_string(i), TransformerLayer(c, i)));
  for (const auto& heads : c.refined_attention.strengths)
    layer_strengths.push_back(register_parameter(kStrengthName + std::to_string(layer_strengths.size()),
                                                 torch::tensor(heads, torch::kFloat), /*requires_grad=*/false));
  if (names.token_type_embeddings)
    token_type_embeddings = add("embeddings_token_type_embeddings_weight", {c.type_vocab_size, e});
  const bool final_norm = names.final_norm;
  const std::string norm = final_norm ? "final_LayerNorm" : "embeddings_LayerNorm";
  norm_weight = add(norm + "_weight", {final_norm ? c.hidden_size : e});
  norm_bias = add(norm + "_bias", {final_norm ? c.hidden_size : e});
  if (names.embedding_projection && e != c.hidden_size) {
    projection_weight = add("embeddings_project_weight", {c.hidden_size, e});
    projection_bias = add("embeddings_project_bias", {c.hidden_size});
  }
}

// In training their gradient is sparse, since a batch reads few rows: it is added to that of the head's product where
// that is tied to them, and else the optimiser takes it row by row.
torch::Tensor BackboneImpl::embed_words(const torch::Tensor& input_ids) const {
  return torch::embedding(word_embeddings, input_ids, /*padding_idx=*/-1, /*scale_grad_by_freq=*/false,
                          /*sparse=*/is_training());
}

// [n, E], or [B, n, E] where they depend on padding.
torch::Tensor BackboneImpl::positions_of(const torch::Tensor& input_ids, int64_t first) const {
  if (!config.family->positions_from_padding) return position_embeddings.slice(0, first, first + input_ids.size(1));
  const auto real = input_ids.ne(config.pad_token_id).to(torch::kLong);
  return torch::embedding(position_embeddings, real.cumsum(1) * real + config.pad_token_id);
}

torch::Tensor BackboneImpl::embed(const Inputs& inputs, int64_t first) const {
  check_ids(inputs, first);
  auto added = positions_of(inputs.ids, first);
  if (token_type_embeddings.defined())
    added = added + (inputs.token_type_ids.defined() ? torch::embedding(token_type_embeddings, inputs.token_type_ids)
                                                     : token_type_embeddings[0]);
  const auto sum = embed_words(inputs.ids) + added;
  if (config.family->tensors.final_norm) return in_compute_type(sum);
  return in_compute_type(layer_norm(sum, {norm_weight, norm_bias, config.layer_norm_eps}));
}

torch::Tensor BackboneImpl::finish(const torch::Tensor& hidden) const {
  if (!config.family->tensors.final_norm) return hidden;
  return layer_norm(hidden, {norm_weight, norm_bias, config.layer_norm_eps});
}

torch::Tensor BackboneImpl::hidden_states(const Inputs& inputs, const AttentionProbe& probe) {
  return run(inputs, probe, {});
}

torch::Tensor BackboneImpl::hidden_states_at(const Inputs& inputs, const torch::Tensor& places) {
  return run(inputs, {}, places).squeeze(0);
}

torch::Tensor BackboneImpl::run(const Inputs& inputs, const AttentionProbe& probe, const torch::Tensor& places) {
  const double p = !is_training()                          ? 0.0
                   : config.family->keys.embedding_dropout ? config.embedding_dropout_prob
                                                           : config.hidden_dropout_prob;
  auto hidden = dropout(embed(inputs, 0), p, derive_seed(dropout_seed, 0));
  if (projection_weight.defined()) hidden = dense(hidden, projection_weight, projection_bias);
  return finish(run_layers(hidden, inputs.attention_mask, probe, places));
}

void BackboneImpl::learn_strengths() {
  if (layer_strengths.empty()) fail("learn_strengths: the model's config has no strengths");
  for (auto& strengths : layer_strengths) strengths.requires_grad_(true);
}

void BackboneImpl::set_strengths(const Strengths& strengths) {
  torch::NoGradGuard no_grad;
  if (strengths.size() != layer_strengths.size())
    fail("set_strengths: ", strengths.size(), " layers were given, the model has ", layer_strengths.size());
  for (size_t layer = 0; layer < strengths.size(); ++layer)
    layer_strengths[layer].copy_(torch::tensor(strengths[layer], torch::kFloat));
}

void BackboneImpl::clamp_strengths() {
  torch::NoGradGuard no_grad;
  for (auto& strengths : layer_strengths) strengths.clamp_(0, attention::kMaxStrength);
}

Strengths BackboneImpl::strengths() const {
  const auto count = static_cast<size_t>(config.num_hidden_layers);
  if (layer_strengths.empty()) return Strengths(count, {config.refined_attention.strength * strength_scale});
  Strengths all(count);
  for (size_t layer = 0; layer < count; ++layer) {
    const auto now = (layer_strengths[layer].detach() * strength_scale).to(torch::kFloat);
    for (int64_t head = 0; head < now.size(0); ++head) all[layer].push_back(shortest(now[head].item<float>()));
  }
  return all;
}

ModelConfig BackboneImpl::current_config() const {
  auto now = config;
  now.trained_positions = trained_positions;
  now.refined_attention.strength *= strength_scale;
  if (!layer_strengths.empty()) now.refined_attention.strengths = strengths();
  return now;
}

void BackboneImpl::draw_weights(uint64_t seed) {
  torch::NoGradGuard no_grad;
  const double onto_residual =
      config.family->norm == NormPlace::before ? 1 / std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers)) : 1;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (auto& item : named_parameters()) {
    auto& value = item.value();
    if (item.key().starts_with(kStrengthName)) continue;
    if (value.dim() == 2)
      value.normal_(0.0, config.initializer_range * (item.key().ends_with("output_dense_weight") ? onto_residual : 1.0),
                    generator);
    else
      value.fill_(item.key().ends_with("norm_weight") || item.key().ends_with("LayerNorm_weight") ? 1.0 : 0.0);
  }
  if (!config.causal()) word_embeddings[config.pad_token_id].zero_();
  for (auto& layer : layers)
    for (size_t i = 0; i < layer->sigma.size(); ++i)
      layer->sigma[i]->start(layer->stored_weight(static_cast<LayerWeight>(i)));
}

void BackboneImpl::iterate_sigma() {
  for (auto& layer : layers)
    for (size_t i = 0; i < layer->sigma.size(); ++i)
      layer->sigma[i]->iterate(layer->stored_weight(static_cast<LayerWeight>(i)));
}

void BackboneImpl::keep_sigma() {
  torch::NoGradGuard no_grad;
  for (auto& layer : layers)
    for (size_t i = 0; i < layer->sigma.size(); ++i) {
      auto& sigma = *layer->sigma[i];
      const auto weight = layer->stored_weight(static_cast<LayerWeight>(i));
      sigma.start(weight);
      sigma.gain.copy_(sigma.norms(weight));
    }
}

void BackboneImpl::set_sinusoidal_positions() {
  torch::NoGradGuard no_grad;
  const int64_t length = config.max_position_embeddings, channels = config.embedding_channels();
  const auto exponents = torch::arange(0, channels, 2, torch::kDouble) / static_cast<double>(channels);
  const auto angles = torch::outer(torch::arange(length, torch::kDouble), torch::pow(10000.0, -exponents));
  const auto waves = torch::cat({angles.sin(), angles.cos()}, 1).slice(1, 0, channels);
  position_embeddings.copy_(waves * (config.initializer_range * std::numbers::sqrt2));
}

void BackboneImpl::check_ids(const Inputs& inputs, int64_t first) const {
  const auto& ids = inputs.ids;
  if (!(ids.dim() == 2 && ids.scalar_type() == torch::kLong)) fail("input_ids must be [batch, length] int64");
  if (const int64_t length = first + ids.size(1); length > config.max_length())
    fail("the sequence has ", length, " tokens, the model's position table ends at ", config.max_length());
  if (ids.numel() == 0) return;
  const auto [lowest, highest] = torch::aminmax(ids);
  if (lowest.item<int64_t>() < 0 || highest.item<int64_t>() >= config.vocab_size)
    fail("token ids run from ", lowest.item<int64_t>(), " to ", highest.item<int64_t>(),
         "; the model's vocabulary has ", config.vocab_size, " (another tokenizer?)");
  if (const auto& types = inputs.token_type_ids; types.defined()) {
    if (!(types.sizes() == ids.sizes() && types.scalar_type() == torch::kLong))
      fail("token_type_ids must be int64 and of the shape of input_ids, ", concat(ids.sizes()));
    const int64_t known = std::max<int64_t>(config.type_vocab_size, 1), most = types.max().item<int64_t>();
    if (types.min().item<int64_t>() < 0 || most >= known)
      fail("token types reach ", most, "; the model has ", known, " of them");
  }
}

attention::AttentionOptions BackboneImpl::attention_options(size_t layer) const {
  const auto& refined = config.refined_attention;
  auto options = attention::from_variant(refined.attention, refined.strength * strength_scale);
  if (!layer_strengths.empty()) {
    const double sign = refined.attention == attention::Variant::low ? -1 : 1;
    options.strength = 0;
    options.strengths = layer_strengths[layer] * (sign * strength_scale);
  }
  options.exclude_self = refined.exclude_self;
  options.strength_length = refined.strength_length;
  options.causal = config.causal();
  return options;
}

torch::Tensor BackboneImpl::run_layers(torch::Tensor hidden, const torch::Tensor& attention_mask,
                                       const AttentionProbe& probe, const torch::Tensor& places) {
  if (watch) watch("the embeddings", hidden);
  for (size_t i = 0; i < layers.size(); ++i) {
    auto options = attention_options(i);
    if (attention_mask.defined()) options.key_mask = attention_mask;
    const uint64_t seed = derive_seed(dropout_seed, i + 1);
    const auto attend = [&](const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value) {
      const AttentionCall call{static_cast<int64_t>(i), query, key, value, options};
      if (probe) probe(call);
      auto own = options;
      own.dropout = is_training() ? config.attention_probs_dropout_prob : 0.0;
      own.seed = static_cast<int64_t>(derive_seed(seed, 0));
      auto output = attention::refined_attention(query, key, value, own);
      return change_attention ? change_attention(call, std::move(output)) : output;
    };
    hidden = layers[i]->forward(hidden, attend, seed, i + 1 == layers.size() ? places : torch::Tensor());
    if (watch) watch("layer " + std::to_string(i), hidden);
  }
  return hidden;
}

}  // namespace saobp::model
