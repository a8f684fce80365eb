#include "saobp/model/config.h"

#include <algorithm>
#include <cmath>

#include "saobp/io/fields.h"

namespace saobp::model {
namespace {

// A field and its key in the files of each family, indexed by Family; nullptr: it is not in them.
template <class T>
struct Key {
  const char* names[2];
  T ModelConfig::* field;
  T most;                           // far beyond any model; it keeps the number of parameters inside 64 bits
  bool required[2] = {true, true};  // else what is there before stays

  const char* name(const ModelConfig& config) const { return names[static_cast<size_t>(config.family)]; }
};

constexpr Key<int64_t> kSizes[] = {
    {{"vocab_size", "vocab_size"}, &ModelConfig::vocab_size, 1 << 28},
    {{"hidden_size", "n_embd"}, &ModelConfig::hidden_size, 1 << 20},
    {{"num_hidden_layers", "n_layer"}, &ModelConfig::num_hidden_layers, 1 << 12},
    {{"num_attention_heads", "n_head"}, &ModelConfig::num_attention_heads, 1 << 20},
    {{"intermediate_size", "n_inner"}, &ModelConfig::intermediate_size, 1 << 22, {true, false}},
    {{"max_position_embeddings", "n_positions"}, &ModelConfig::max_position_embeddings, 1 << 24},
    {{"type_vocab_size", nullptr}, &ModelConfig::type_vocab_size, 1 << 20, {false, false}}};

constexpr Key<double> kDropouts[] = {
    {{"hidden_dropout_prob", "resid_pdrop"}, &ModelConfig::hidden_dropout_prob, 1},
    {{"attention_probs_dropout_prob", "attn_pdrop"}, &ModelConfig::attention_probs_dropout_prob, 1},
    {{nullptr, "embd_pdrop"}, &ModelConfig::embedding_dropout_prob, 1}};

constexpr Key<double> kReals[] = {{{"initializer_range", "initializer_range"}, &ModelConfig::initializer_range, 100},
                                  {{"layer_norm_eps", "layer_norm_epsilon"}, &ModelConfig::layer_norm_eps, INFINITY}};

const char* activation_key(const ModelConfig& c) { return c.causal() ? "activation_function" : "hidden_act"; }

// Calls on_key(name, key) for those that the config's family has.
template <class Keys, class OnKey>
void for_each(const Keys& keys, const ModelConfig& c, OnKey&& on_key) {
  for (const auto& key : keys)
    if (const char* name = key.name(c)) on_key(name, key);
}

ModelConfig defaults(Family family) {
  ModelConfig c;
  if (family == Family::bert) return c;
  c.family = family;
  c.vocab_size = 50257;
  c.max_position_embeddings = 1024;
  c.layer_norm_eps = 1e-5;
  c.hidden_act = "gelu_new";
  return c;
}

RefinedAttentionConfig read_refined_attention(const io::Json& json, const std::string& block) {
  auto refined = io::fields_from_json<RefinedAttentionConfig>(json, block);
  check_strength(refined.attention, refined.strength, block + ": \"strength\"");
  if (json.contains("strengths")) refined.strengths = strengths_from_json(json.at("strengths"), block);
  refined.qk_norm = io::get_or(json, "qk_norm", false, block);
  return refined;
}

// What the files of transformers may ask for and no model here does.
template <class T>
void require_value(const io::Json& json, const char* key, const T& only, const std::string& source) {
  const auto value = io::get_or<T>(json, key, only, source);
  if (value != only)
    fail(source, ": \"", key, "\" is ", io::Json(value).dump(), "; ", io::Json(only).dump(), " was expected");
}

void read_bert_keys(const io::Json& json, ModelConfig& c, const std::string& source) {
  if (io::get_or(json, "is_decoder", false, source)) fail(source, ": \"is_decoder\" is true; an encoder was expected");
  require_value<std::string>(json, "position_embedding_type", "absolute", source);
  c.pad_token_id = io::get_or(json, "pad_token_id", c.pad_token_id, source);
}

void read_gpt2_keys(const io::Json& json, ModelConfig& c, const std::string& source) {
  require_value(json, "scale_attn_weights", true, source);
  require_value(json, "scale_attn_by_inverse_layer_idx", false, source);
  require_value(json, "add_cross_attention", false, source);
  // transformers writes 50256 whatever the vocabulary; an id outside of it ends nothing.
  const auto eos = io::get_or<int64_t>(json, "eos_token_id", -1, source);
  if (eos >= 0 && eos < c.vocab_size) c.eos_token_id = eos;
}

}  // namespace

int64_t ModelConfig::parameters() const {
  const int64_t h = hidden_size, norm = 2 * h, output = tie_word_embeddings ? 0 : vocab_size * h;
  const int64_t attention = 4 * (h * h + h) + norm + (refined_attention.qk_norm ? 2 * head_size() : 0);
  const int64_t feed_forward = 2 * h * intermediate_size + intermediate_size + h + norm;
  const int64_t body =
      (vocab_size + max_position_embeddings) * h + norm + num_hidden_layers * (attention + feed_forward) + output;
  // BERT adds token types and its head; the norm in `body` is that of its embeddings, in GPT-2 the last one.
  return causal() ? body : body + type_vocab_size * h + h * h + h + norm + vocab_size;
}

void check(const ModelConfig& c, const std::string& source) {
  for_each(kSizes, c, [&](const char* name, const auto& key) {
    if (const int64_t value = c.*key.field; value < 1 || value > key.most)
      fail(source, ": \"", name, "\" is ", value, "; a number from 1 to ", key.most, " was expected");
  });
  if (c.hidden_size % c.num_attention_heads != 0)
    fail(source, c.causal() ? ": n_embd " : ": hidden_size ", c.hidden_size, " is not a multiple of ",
         c.causal() ? "n_head " : "num_attention_heads ", c.num_attention_heads);
  for_each(kDropouts, c, [&](const char* name, const auto& key) {
    if (const double p = c.*key.field; !(p >= 0 && p < 1))
      fail(source, ": \"", name, "\" is ", p, "; a number from 0 to below 1 was expected");
  });
  for_each(kReals, c, [&](const char* name, const auto& key) {
    if (const double value = c.*key.field; !(value >= 0 && value <= key.most))
      fail(source, ": \"", name, "\" is ", value, "; a number from 0 to ", key.most, " was expected");
  });
  if (c.layer_norm_eps == 0)
    fail(source, c.causal() ? ": \"layer_norm_epsilon\"" : ": \"layer_norm_eps\"", " is 0; it must be positive");
  if (!c.causal() && (c.pad_token_id < 0 || c.pad_token_id >= c.vocab_size))
    fail(source, ": \"pad_token_id\" is ", c.pad_token_id, ", outside of the vocabulary of ", c.vocab_size);
  if (c.eos_token_id && (*c.eos_token_id < 0 || *c.eos_token_id >= c.vocab_size))
    fail(source, ": \"eos_token_id\" is ", *c.eos_token_id, ", outside of the vocabulary of ", c.vocab_size);
  if (c.hidden_act != "gelu" && c.hidden_act != "gelu_new" && c.hidden_act != "relu")
    fail(source, ": \"", activation_key(c), "\" is \"", c.hidden_act, "\"; gelu, gelu_new or relu was expected");
}

ModelConfig model_preset(const std::string& name) {
  for (auto family : {Family::bert, Family::gpt2}) {
    auto c = defaults(family);
    if (c.causal()) c.eos_token_id = c.vocab_size - 1;
    const std::string prefix = io::enum_name(family) + "-";
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
  if (std::filesystem::is_directory(path)) return read_config(path / "config.json");
  if (path.extension() == ".json") return read_config(path);
  return model_preset(name);
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

Strengths strengths_from_json(const io::Json& json, const std::string& source) {
  try {
    Strengths strengths;
    for (const auto& layer : json.get<std::vector<io::Json>>())
      strengths.push_back(layer.is_number() ? std::vector{layer.get<double>()} : layer.get<std::vector<double>>());
    return strengths;
  } catch (const nlohmann::json::exception&) {
    fail(source, ": \"strengths\" is ", json.dump(), "; a list with a number, or a list of numbers, for each layer ",
         "was expected");
  }
}

io::Json to_json(const Strengths& strengths) {
  auto json = io::Json::array();
  for (const auto& layer : strengths) layer.size() == 1 ? json.push_back(layer[0]) : json.push_back(layer);
  return json;
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

ModelConfig config_from_json(const io::Json& json, const std::string& source) {
  const auto type = io::require<std::string>(json, "model_type", source);
  if (type != "bert" && type != "gpt2")
    fail(source, ": \"model_type\" is \"", type, "\"; \"bert\" or \"gpt2\" was expected");
  auto c = defaults(type == "bert" ? Family::bert : Family::gpt2);
  // GPT-2's n_inner is null where it is four times n_embd.
  if (c.causal())
    c.intermediate_size = 4 * std::clamp<int64_t>(io::require<int64_t>(json, "n_embd", source), 0, 1 << 20);
  for_each(kSizes, c, [&](const char* name, const auto& key) {
    const bool required = key.required[static_cast<size_t>(c.family)];
    c.*key.field = required ? io::require<int64_t>(json, name, source) : io::get_or(json, name, c.*key.field, source);
  });
  const auto read_real = [&](const char* name, const auto& key) {
    c.*key.field = io::get_or(json, name, c.*key.field, source);
  };
  for_each(kDropouts, c, read_real);
  for_each(kReals, c, read_real);
  c.hidden_act = io::get_or(json, activation_key(c), c.hidden_act, source);
  c.tie_word_embeddings = io::get_or(json, "tie_word_embeddings", true, source);
  c.causal() ? read_gpt2_keys(json, c, source) : read_bert_keys(json, c, source);
  if (json.contains("refined_attention")) {
    const std::string block = source + ": refined_attention";
    try {
      c.refined_attention = read_refined_attention(json.at("refined_attention"), block);
      check_strengths(c, block + ": \"strengths\"");
    } catch (const UsageError& e) {
      throw Error(e.what());  // a damaged file, not a wrong flag
    }
  }
  check(c, source);
  return c;
}

ModelConfig read_config(const std::filesystem::path& path) {
  return config_from_json(io::read_json(path), path.string());
}

io::Json to_json(const RefinedAttentionConfig& refined) {
  auto json = io::fields_to_json(refined);
  if (!refined.strengths.empty()) json["strengths"] = to_json(refined.strengths);
  if (refined.qk_norm) json["qk_norm"] = true;
  return json;
}

io::Json to_json(const ModelConfig& c) {
  io::Json json = {{"architectures", {c.causal() ? "GPT2LMHeadModel" : "BertForMaskedLM"}},
                   {"model_type", io::enum_name(c.family)}};
  const auto write = [&](const char* name, const auto& key) { json[name] = c.*key.field; };
  for_each(kSizes, c, write);
  json[activation_key(c)] = c.hidden_act;
  for_each(kDropouts, c, write);
  for_each(kReals, c, write);
  if (c.causal()) {
    // One token stands between texts: it ends one and begins the next.
    for (const char* name : {"bos_token_id", "eos_token_id"})
      c.eos_token_id ? json[name] = *c.eos_token_id : json[name] = nullptr;
  } else {
    json["pad_token_id"] = c.pad_token_id;
    json["position_embedding_type"] = "absolute";
  }
  json["tie_word_embeddings"] = c.tie_word_embeddings;
  json["dtype"] = "float32";
  json["refined_attention"] = to_json(c.refined_attention);
  return json;
}

}  // namespace saobp::model
