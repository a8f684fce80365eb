// config.json: how a config is read and written.
#include <algorithm>
#include <cmath>

#include "saobp/io/fields.h"
#include "saobp/model/config_keys.h"

namespace saobp::model {
namespace {

RefinedAttentionConfig read_refined_attention(const io::Json& json, const std::string& block) {
  auto refined = io::fields_from_json<RefinedAttentionConfig>(json, block);
  check_strength(refined.attention, refined.strength, block + ": \"strength\"");
  if (json.contains("strengths")) refined.strengths = strengths_from_json(json.at("strengths"), block);
  refined.qk_norm = io::get_or(json, "qk_norm", false, block);
  refined.strength_length = io::get_or<int64_t>(json, "strength_length", 0, block);
  check_strength_length(refined.attention, refined.strength_length, block + ": \"strength_length\"");
  return refined;
}

// A key that is absent or null leaves what is there.
template <class T>
void read_if_there(const io::Json& json, const char* key, T& value, const std::string& source) {
  if (json.contains(key) && !json.at(key).is_null()) value = io::require<T>(json, key, source);
}

// transformers has several names for the same function.
std::string known_activation(const std::string& name) {
  if (name == "gelu_python") return "gelu";
  for (const char* tanh : {"gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"})
    if (name == tanh) return "gelu_new";
  return name;
}

void read_special_tokens(const io::Json& json, ModelConfig& c, const std::string& source) {
  read_if_there(json, "pad_token_id", c.pad_token_id, source);
  int64_t bos = c.bos_token_id.value_or(-1);
  const auto is_null = [&](const char* key) { return json.contains(key) && json.at(key).is_null(); };
  if (is_null("bos_token_id")) bos = -1;
  read_if_there(json, "bos_token_id", bos, source);
  if (is_null("eos_token_id")) {
    c.eos_token_ids.clear();
  } else if (json.contains("eos_token_id")) {
    const auto& eos = json.at("eos_token_id");
    c.eos_token_ids = eos.is_array() ? io::require<std::vector<int64_t>>(json, "eos_token_id", source)
                                     : std::vector{io::require<int64_t>(json, "eos_token_id", source)};
  }
  // transformers writes 50256 for a GPT-2 whatever the vocabulary; an id outside of it ends nothing.
  const auto outside = [&](int64_t id) { return id < 0 || id >= c.vocab_size; };
  std::erase_if(c.eos_token_ids, outside);
  c.bos_token_id = outside(bos) ? std::nullopt : std::optional(bos);
}

constexpr int64_t kMostLabels = 4096;

// "id2label": {"0": "negative", …}
std::vector<std::string> read_labels(const io::Json& json, const std::string& source) {
  std::vector<std::string> labels;
  if (!json.contains("id2label") || json.at("id2label").is_null()) {
    const auto count = io::get_or<int64_t>(json, "num_labels", 0, source);
    if (count < 0 || count > kMostLabels)
      fail(source, ": \"num_labels\" is ", count, "; a number up to ", kMostLabels, " was expected");
    for (int64_t i = 0; i < count; ++i) labels.push_back(concat("LABEL_", i));
    return labels;
  }
  const auto& names = json.at("id2label");
  if (!names.is_object()) fail(source, ": \"id2label\" is ", io::type_name(names), "; an object was expected");
  if (names.size() > kMostLabels)
    fail(source, ": \"id2label\" has ", names.size(), " labels; up to ", kMostLabels, " were expected");
  for (size_t i = 0; i < names.size(); ++i) {
    const auto place = std::to_string(i);
    const bool number = names.contains(place) && names.at(place).is_number_integer();  // as local scripts write 0 and 1
    labels.push_back(number ? names.at(place).dump() : io::require<std::string>(names, place, source + ": id2label"));
    if (std::find(labels.begin(), labels.end() - 1, labels.back()) != labels.end() - 1)
      fail(source, ": id2label: \"", labels.back(), "\" is there twice; each label was expected once");
  }
  return labels;
}

void read_head_dropouts(const io::Json& json, ModelConfig& c, const std::string& source) {
  for (const auto& head : c.family->heads)
    if (const std::string key = head.dropout; !key.empty() && key != c.family->keys.hidden_dropout)
      if (json.contains(key) && !json.at(key).is_null())
        c.head_dropouts[key] = io::require<double>(json, key.c_str(), source);
}

}  // namespace

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

ModelConfig config_from_json(const io::Json& json, const std::string& source) {
  if (!json.is_object()) fail(source, ": found ", io::type_name(json), "; an object was expected");
  ModelConfig c;
  c.family = &find_family(io::require<std::string>(json, "model_type", source), source + ": \"model_type\"");
  c.family->set_defaults(c);
  const auto& keys = c.family->keys;
  const auto read = [&](const char* name, const auto& key) { read_if_there(json, name, c.*key.field, source); };
  for_each_key(kSizes, keys, read);
  // GPT-2's n_inner is null where it is four times n_embd.
  if (c.causal() && (!json.contains(keys.intermediate_size) || json.at(keys.intermediate_size).is_null()))
    c.intermediate_size = 4 * std::clamp<int64_t>(c.hidden_size, 0, 1 << 20);
  for_each_key(kDropouts, keys, read);
  if (!keys.embedding_dropout) c.embedding_dropout_prob = c.hidden_dropout_prob;
  read_if_there(json, "initializer_range", c.initializer_range, source);
  if (keys.layer_norm_eps) read_if_there(json, keys.layer_norm_eps, c.layer_norm_eps, source);
  read_if_there(json, keys.activation, c.hidden_act, source);
  c.hidden_act = known_activation(c.hidden_act);
  read_if_there(json, "tie_word_embeddings", c.tie_word_embeddings, source);
  for (const auto& [key, value] : c.family->only)
    if (const auto found = io::get_or<io::Json>(json, key, value, source); found != value)
      fail(source, ": \"", key, "\" is ", found.dump(), "; ", value.dump(), " was expected");
  if (keys.attention_scaling)
    for (auto [key, field] : {std::pair{"scale_attn_weights", &ModelConfig::scale_attn_weights},
                              {"scale_attn_by_inverse_layer_idx", &ModelConfig::scale_attn_by_inverse_layer_idx},
                              {"reorder_and_upcast_attn", &ModelConfig::reorder_and_upcast_attn}})
      read_if_there(json, key, c.*field, source);
  read_if_there(json, "trained_positions", c.trained_positions, source);
  read_special_tokens(json, c, source);
  c.labels = read_labels(json, source);
  read_head_dropouts(json, c, source);
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
  if (refined.strength_length > 0) json["strength_length"] = refined.strength_length;
  if (refined.qk_norm) json["qk_norm"] = true;
  return json;
}

io::Json to_json(const ModelConfig& c) { return to_json(c, c.family->head(HeadKind::language_model)); }

io::Json to_json(const ModelConfig& c, const HeadRecord* head) {
  const auto& family = *c.family;
  io::Json json = {{"architectures", {head ? head->architecture : family.architecture}}, {"model_type", family.name}};
  const auto write = [&](const char* name, const auto& key) { json[name] = c.*key.field; };
  for_each_key(kSizes, family.keys, write);
  json[family.keys.activation] = c.hidden_act;
  for_each_key(kDropouts, family.keys, write);
  for (const auto& [key, p] : c.head_dropouts) json[key] = p;
  json["initializer_range"] = c.initializer_range;
  if (family.keys.layer_norm_eps) json[family.keys.layer_norm_eps] = c.layer_norm_eps;
  if (!c.causal()) json["pad_token_id"] = c.pad_token_id;
  for (const auto& [key, value] : family.only)
    if (value.is_string()) json[key] = value;
  // Written where they are not transformers' defaults: a run that was made before they could be has the same config.
  if (!c.scale_attn_weights) json["scale_attn_weights"] = false;
  if (c.scale_attn_by_inverse_layer_idx) json["scale_attn_by_inverse_layer_idx"] = true;
  if (c.reorder_and_upcast_attn) json["reorder_and_upcast_attn"] = true;
  // null where the family would have a token of its own if nothing were said.
  ModelConfig unsaid;
  family.set_defaults(unsaid);
  const auto& eos = c.eos_token_ids;
  if (c.bos_token_id)
    json["bos_token_id"] = *c.bos_token_id;
  else if (unsaid.bos_token_id)
    json["bos_token_id"] = nullptr;
  if (eos.size() > 1)
    json["eos_token_id"] = eos;
  else if (!eos.empty())
    json["eos_token_id"] = eos[0];
  else if (!unsaid.eos_token_ids.empty())
    json["eos_token_id"] = nullptr;
  // By which transformers finds a row's last token, which the head looks at.
  if (c.causal() && head && head->pool == Pool::last && !eos.empty()) json["pad_token_id"] = eos[0];
  if (!c.labels.empty()) {
    for (size_t i = 0; i < c.labels.size(); ++i) {
      json["id2label"][std::to_string(i)] = c.labels[i];
      json["label2id"][c.labels[i]] = i;
    }
  }
  json["tie_word_embeddings"] = c.tie_word_embeddings;
  json["dtype"] = "float32";
  json["refined_attention"] = to_json(c.refined_attention);
  if (c.trained_positions > 0) json["trained_positions"] = c.trained_positions;
  return json;
}

}  // namespace saobp::model
