#include "saobp/model/language_model.h"

#include <charconv>
#include <numbers>

#include "saobp/io/error.h"
#include "saobp/model/bert.h"
#include "saobp/model/dropout.h"
#include "saobp/model/gpt2.h"
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

LanguageModelImpl::LanguageModelImpl(const ModelConfig& c) : config(c) {
  word_embeddings =
      register_parameter("embeddings_word_embeddings_weight", torch::empty({c.vocab_size, c.hidden_size}));
  position_embeddings = register_parameter("embeddings_position_embeddings_weight",
                                           torch::empty({c.max_position_embeddings, c.hidden_size}));
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    layers.push_back(register_module("layer_" + std::to_string(i), TransformerLayer(c)));
  for (const auto& heads : c.refined_attention.strengths)
    layer_strengths.push_back(register_parameter(kStrengthName + std::to_string(layer_strengths.size()),
                                                 torch::tensor(heads, torch::kFloat), /*requires_grad=*/false));
}

torch::Tensor LanguageModelImpl::embed_words(const torch::Tensor& input_ids) const {
  const bool tied = has_head() && config.tie_word_embeddings;
  return torch::embedding(word_embeddings, input_ids, /*padding_idx=*/-1, /*scale_grad_by_freq=*/false,
                          /*sparse=*/tied && is_training());
}

void LanguageModelImpl::learn_strengths() {
  if (layer_strengths.empty()) fail("learn_strengths: the model's config has no strengths");
  for (auto& strengths : layer_strengths) strengths.requires_grad_(true);
}

void LanguageModelImpl::clamp_strengths() {
  torch::NoGradGuard no_grad;
  for (auto& strengths : layer_strengths) strengths.clamp_(0, attention::kMaxStrength);
}

Strengths LanguageModelImpl::strengths() const {
  const auto count = static_cast<size_t>(config.num_hidden_layers);
  if (layer_strengths.empty()) return Strengths(count, {config.refined_attention.strength * strength_scale});
  Strengths all(count);
  for (size_t layer = 0; layer < count; ++layer) {
    const auto now = (layer_strengths[layer].detach() * strength_scale).to(torch::kFloat);
    for (int64_t head = 0; head < now.size(0); ++head) all[layer].push_back(shortest(now[head].item<float>()));
  }
  return all;
}

ModelConfig LanguageModelImpl::current_config() const {
  auto now = config;
  now.refined_attention.strength *= strength_scale;
  if (!layer_strengths.empty()) now.refined_attention.strengths = strengths();
  return now;
}

void LanguageModelImpl::draw_weights(uint64_t seed, double residual_scale) {
  torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (auto& item : named_parameters()) {
    auto& value = item.value();
    if (item.key().starts_with(kStrengthName)) continue;
    const bool onto_residual = item.key().ends_with("output_dense_weight");
    if (value.dim() == 2)
      value.normal_(0.0, config.initializer_range * (onto_residual ? residual_scale : 1.0), generator);
    else
      value.fill_(item.key().ends_with("norm_weight") || item.key().ends_with("LayerNorm_weight") ? 1.0 : 0.0);
  }
  for (auto& layer : layers)
    for (size_t i = 0; i < layer->sigma.size(); ++i)
      layer->sigma[i]->start(layer->stored_weight(static_cast<Matrix>(i)));
}

void LanguageModelImpl::iterate_sigma() {
  for (auto& layer : layers)
    for (size_t i = 0; i < layer->sigma.size(); ++i)
      layer->sigma[i]->iterate(layer->stored_weight(static_cast<Matrix>(i)));
}

void LanguageModelImpl::set_sinusoidal_positions() {
  torch::NoGradGuard no_grad;
  const int64_t length = config.max_position_embeddings, channels = config.hidden_size;
  const auto exponents = torch::arange(0, channels, 2, torch::kDouble) / static_cast<double>(channels);
  const auto angles = torch::outer(torch::arange(length, torch::kDouble), torch::pow(10000.0, -exponents));
  const auto waves = torch::cat({angles.sin(), angles.cos()}, 1).slice(1, 0, channels);
  position_embeddings.copy_(waves * (config.initializer_range * std::numbers::sqrt2));
}

void LanguageModelImpl::check_ids(const torch::Tensor& input_ids, int64_t first) const {
  if (!(input_ids.dim() == 2 && input_ids.scalar_type() == torch::kLong))
    fail("input_ids must be [batch, length] int64");
  if (const int64_t length = first + input_ids.size(1); length > config.max_position_embeddings)
    fail("the sequence has ", length, " tokens, the model's position table ends at ", config.max_position_embeddings);
  if (input_ids.numel() == 0) return;
  auto [lowest, highest] = torch::aminmax(input_ids);
  if (lowest.item<int64_t>() < 0 || highest.item<int64_t>() >= config.vocab_size)
    fail("token ids run from ", lowest.item<int64_t>(), " to ", highest.item<int64_t>(),
         "; the model's vocabulary has ", config.vocab_size, " (another tokenizer?)");
}

attention::AttentionOptions LanguageModelImpl::attention_options(size_t layer) const {
  const auto& refined = config.refined_attention;
  auto options = attention::from_variant(refined.attention, refined.strength * strength_scale);
  if (!layer_strengths.empty()) {
    const double sign = refined.attention == attention::Variant::low ? -1 : 1;
    options.strength = 0;
    options.strengths = layer_strengths[layer] * (sign * strength_scale);
  }
  options.exclude_self = refined.exclude_self;
  options.causal = config.causal();
  return options;
}

torch::Tensor LanguageModelImpl::run_layers(torch::Tensor hidden, const torch::Tensor& attention_mask,
                                            const AttentionProbe& probe) {
  if (watch) watch("the embeddings", hidden);
  for (size_t i = 0; i < layers.size(); ++i) {
    auto options = attention_options(i);
    if (attention_mask.defined()) options.key_mask = attention_mask;
    const uint64_t seed = derive_seed(dropout_seed, i + 1);
    const auto attend = [&](const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value) {
      if (probe) probe(static_cast<int64_t>(i), query, key, options);
      auto own = options;
      own.dropout = is_training() ? config.attention_probs_dropout_prob : 0.0;
      own.seed = static_cast<int64_t>(derive_seed(seed, 0));
      return attention::refined_attention(query, key, value, own);
    };
    hidden = layers[i]->forward(hidden, attend, seed);
    if (watch) watch("layer " + std::to_string(i), hidden);
  }
  return hidden;
}

torch::Tensor LanguageModelImpl::logits(const torch::Tensor& hidden) {
  const auto [weight, bias] = projection();
  return dense(head_states(hidden), weight, bias);
}

LanguageModel make_model(const ModelConfig& config, std::optional<uint64_t> seed, bool with_head) {
  if (config.causal()) return Gpt2(config, seed, with_head);
  return Bert(config, seed, with_head);
}

}  // namespace saobp::model
