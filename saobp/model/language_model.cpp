#include "saobp/model/language_model.h"

#include <numbers>

#include "saobp/model/bert.h"
#include "saobp/model/dropout.h"
#include "saobp/model/gpt2.h"
#include "saobp/model/matmul.h"

namespace saobp::model {

LanguageModelImpl::LanguageModelImpl(const ModelConfig& c) : config(c) {
  word_embeddings =
      register_parameter("embeddings_word_embeddings_weight", torch::empty({c.vocab_size, c.hidden_size}));
  position_embeddings = register_parameter("embeddings_position_embeddings_weight",
                                           torch::empty({c.max_position_embeddings, c.hidden_size}));
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    layers.push_back(register_module("layer_" + std::to_string(i), TransformerLayer(c)));
}

void LanguageModelImpl::draw_weights(uint64_t seed, double residual_scale) {
  torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (auto& item : named_parameters()) {
    auto& value = item.value();
    const bool onto_residual = item.key().ends_with("output_dense_weight");
    if (value.dim() == 2)
      value.normal_(0.0, config.initializer_range * (onto_residual ? residual_scale : 1.0), generator);
    else
      value.fill_(item.key().ends_with("LayerNorm_weight") ? 1.0 : 0.0);
  }
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
  TORCH_CHECK(input_ids.dim() == 2 && input_ids.scalar_type() == torch::kLong,
              "input_ids must be [batch, length] int64");
  if (const int64_t length = first + input_ids.size(1); length > config.max_position_embeddings)
    fail("the sequence has ", length, " tokens, the model's position table ends at ", config.max_position_embeddings);
  if (input_ids.numel() == 0) return;
  auto [lowest, highest] = torch::aminmax(input_ids);
  if (lowest.item<int64_t>() < 0 || highest.item<int64_t>() >= config.vocab_size)
    fail("token ids run from ", lowest.item<int64_t>(), " to ", highest.item<int64_t>(),
         "; the model's vocabulary has ", config.vocab_size, " (another tokenizer?)");
}

attention::AttentionOptions LanguageModelImpl::attention_options() const {
  const auto& refined = config.refined_attention;
  auto options = attention::from_variant(refined.attention, refined.strength);
  options.exclude_self = refined.exclude_self;
  options.causal = config.causal();
  return options;
}

torch::Tensor LanguageModelImpl::run_layers(torch::Tensor hidden, const torch::Tensor& attention_mask,
                                            const AttentionProbe& probe) {
  auto options = attention_options();
  if (attention_mask.defined()) options.key_mask = attention_mask;
  for (size_t i = 0; i < layers.size(); ++i) {
    const uint64_t seed = derive_seed(dropout_seed, i + 1);
    const auto attend = [&](const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value) {
      if (probe) probe(static_cast<int64_t>(i), query, key, options);
      auto own = options;
      own.dropout = is_training() ? config.attention_probs_dropout_prob : 0.0;
      own.seed = static_cast<int64_t>(derive_seed(seed, 0));
      return attention::refined_attention(query, key, value, own);
    };
    hidden = layers[i]->forward(hidden, attend, seed);
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
