#include "saobp/model/config.h"

#include <algorithm>
#include <cmath>

#include "saobp/io/fields.h"
#include "saobp/io/words.h"
#include "saobp/model/config_keys.h"

namespace saobp::model {

double ModelConfig::score_scale(int64_t layer) const {
  const double unscaled = scale_attn_weights ? 1 : std::sqrt(static_cast<double>(head_size()));
  return scale_attn_by_inverse_layer_idx ? unscaled / static_cast<double>(layer + 1) : unscaled;
}

void ModelConfig::set_dropout(double p) {
  hidden_dropout_prob = attention_probs_dropout_prob = embedding_dropout_prob = p;
  for (const auto& head : family->heads) {
    const std::string key = head.dropout;
    if (key.empty()) continue;
    if (head.default_dropout < 0)
      head_dropouts.erase(key);  // it is that of hidden states
    else
      head_dropouts[key] = p;
  }
}

int64_t ModelConfig::parameters() const {
  const auto linear = [](int64_t in, int64_t out) { return in * out + out; };
  const int64_t h = hidden_size, e = embedding_channels();
  const auto& names = family->tensors;
  int64_t sum = (vocab_size + max_position_embeddings + (names.token_type_embeddings ? type_vocab_size : 0)) * e;
  if (names.embedding_norm) sum += 2 * e;
  if (names.embedding_projection && e != h) sum += linear(e, h);
  sum += num_hidden_layers * (4 * linear(h, h) + linear(h, intermediate_size) + linear(intermediate_size, h) + 4 * h);
  if (refined_attention.qk_norm) sum += num_hidden_layers * 2 * head_size();
  if (names.final_norm) sum += 2 * h;
  const auto& head = *family->head(HeadKind::language_model);
  if (head.dense) sum += linear(h, e);
  if (head.norm) sum += 2 * e;
  if (!tie_word_embeddings) sum += vocab_size * e;
  if (head.bias) sum += vocab_size;
  return sum;
}

void check(const ModelConfig& c, const std::string& source) {
  const auto& keys = c.family->keys;
  for_each_key(kSizes, keys, [&](const char* name, const auto& key) {
    if (const int64_t value = c.*key.field; value < 1 || value > key.most)
      fail(source, ": \"", name, "\" is ", value, "; a number from 1 to ", key.most, " was expected");
  });
  if (c.hidden_size % c.num_attention_heads != 0)
    fail(source, ": ", keys.hidden_size, " ", c.hidden_size, " is not a multiple of ", keys.num_attention_heads, " ",
         c.num_attention_heads);
  for_each_key(kDropouts, keys, [&](const char* name, const auto& key) {
    if (const double p = c.*key.field; !(p >= 0 && p < 1))
      fail(source, ": \"", name, "\" is ", p, "; a number from 0 to below 1 was expected");
  });
  for (const auto& [name, p] : c.head_dropouts)
    if (!(p >= 0 && p < 1)) fail(source, ": \"", name, "\" is ", p, "; a number from 0 to below 1 was expected");
  if (!(c.initializer_range >= 0 && c.initializer_range <= 100))
    fail(source, ": \"initializer_range\" is ", c.initializer_range, "; a number from 0 to 100 was expected");
  if (!(c.layer_norm_eps > 0))
    fail(source, ": \"", keys.layer_norm_eps ? keys.layer_norm_eps : "layer_norm_eps", "\" is ", c.layer_norm_eps,
         "; it must be positive");
  if (!c.causal() && (c.pad_token_id < 0 || c.pad_token_id >= c.vocab_size))
    fail(source, ": \"pad_token_id\" is ", c.pad_token_id, ", outside of the vocabulary of ", c.vocab_size);
  if (c.max_length() < 1)
    fail(source, ": \"", keys.max_position_embeddings, "\" is ", c.max_position_embeddings,
         "; positions begin behind that of padding, at ", c.pad_token_id + 1);
  if (c.trained_positions < 0 || c.trained_positions > c.max_length())
    fail(source, ": \"trained_positions\" is ", c.trained_positions, "; a number from 0 to ", c.max_length(),
         ", where the position table ends, was expected");
  for (const int64_t eos : c.eos_token_ids)
    if (eos < 0 || eos >= c.vocab_size)
      fail(source, ": \"eos_token_id\" is ", eos, ", outside of the vocabulary of ", c.vocab_size);
  if (c.hidden_act != "gelu" && c.hidden_act != "gelu_new" && c.hidden_act != "relu")
    fail(source, ": \"", keys.activation, "\" is \"", c.hidden_act, "\"; gelu, gelu_new or relu was expected");
}

std::string note_on_positions(const ModelConfig& config, int64_t tokens) {
  if (tokens <= config.trained_length()) return "";
  return concat("its positions were trained in rows of up to ", io::counted(config.trained_length(), "token"),
                "; rows here have up to ", tokens);
}

ModelConfig model_preset(const std::string& name) {
  for (const auto* family : {&kBert, &kGpt2}) {
    ModelConfig c;
    c.family = family;
    family->set_defaults(c);
    c.hidden_size = 256, c.num_hidden_layers = 4, c.num_attention_heads = 4, c.intermediate_size = 1024;
    const std::string prefix = concat(family->name, "-");
    if (name == prefix + "mini") return c;
    c.hidden_size = 512, c.num_attention_heads = 8, c.intermediate_size = 2048;
    if (name == prefix + "small") return c;
    c.num_hidden_layers = 8;
    if (name == prefix + "medium") return c;
  }
  const std::vector<std::string> names = {"bert-mini", "bert-small", "bert-medium",
                                          "gpt2-mini", "gpt2-small", "gpt2-medium"};
  fail_usage("--model: \"", name, "\" is not known; ", io::listed(names), " was expected", io::suggestion(name, names));
}

ModelConfig named_config(const std::string& name) {
  const std::filesystem::path path = name;
  if (!std::filesystem::is_directory(path) && path.extension() != ".json") return model_preset(name);
  const auto file = std::filesystem::is_directory(path) ? path / "config.json" : path;
  const auto config = read_config(file);
  // A folder's weights show which sizes config.json left to their defaults; a new model would have them unasked.
  const auto json = io::read_json(file);
  for_each_key(kSizes, config.family->keys, [&](const char* key, const auto& size) {
    const bool optional = size.field == &ModelConfig::type_vocab_size || size.field == &ModelConfig::embedding_size ||
                          (config.causal() && size.field == &ModelConfig::intermediate_size);
    if (!optional && !json.contains(key)) fail(file.string(), ": \"", key, "\" is missing");
  });
  return config;
}

double default_strength(int64_t parameters) { return std::min(0.2, 0.2 * 11e6 / static_cast<double>(parameters)); }

double default_strength(const ModelConfig& config) {
  if (!config.causal()) return default_strength(config.parameters());
  ModelConfig bert;
  bert.hidden_size = config.hidden_size, bert.num_hidden_layers = config.num_hidden_layers;
  bert.intermediate_size = config.intermediate_size;
  return default_strength(bert.parameters());
}

void check_strength(attention::Variant variant, double strength, const std::string& flag) {
  using attention::Variant;
  if (!(strength >= 0 && strength <= 20))
    fail_usage(flag, ": ", strength, " was given; a number from 0 to 20 was expected (low turns the sign by itself)");
  if (strength != 0 && (variant == Variant::original || variant == Variant::elemmul))
    fail_usage(flag, ": ", strength, " was given, but ", io::enum_name(variant), " attention has no strength");
}

void check_strength_length(attention::Variant variant, int64_t length, const std::string& flag) {
  if (length < 0) fail_usage(flag, ": ", length, " was given; a number of tokens, or 0, was expected");
  if (length > 0 && !has_strength(variant))
    fail_usage(flag, ": ", length, " was given, but ", io::enum_name(variant), " attention has no strength");
}

void check_strengths(const ModelConfig& c, const std::string& flag) {
  const auto& strengths = c.refined_attention.strengths;
  if (strengths.empty()) return;
  if (strengths.size() != static_cast<size_t>(c.num_hidden_layers))
    fail_usage(flag, ": ", strengths.size(), " layers were given; the model has ", c.num_hidden_layers);
  for (size_t layer = 0; layer < strengths.size(); ++layer) {
    const auto& heads = strengths[layer];
    if (heads.size() != 1 && heads.size() != static_cast<size_t>(c.num_attention_heads))
      fail_usage(flag, ": layer ", layer, " was given ", heads.size(), " numbers; 1, or one for each of its ",
                 c.num_attention_heads, " heads, was expected");
    for (double strength : heads) check_strength(c.refined_attention.attention, strength, flag);
  }
}

}  // namespace saobp::model
