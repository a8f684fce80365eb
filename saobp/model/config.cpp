#include "saobp/model/config.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "saobp/io/fields.h"

namespace saobp::model {

int64_t BertConfig::parameters() const {
  const int64_t h = hidden_size, norm = 2 * h;
  const int64_t embeddings = (vocab_size + max_position_embeddings + type_vocab_size) * h + norm;
  const int64_t attention = 4 * (h * h + h) + norm;
  const int64_t feed_forward = 2 * h * intermediate_size + intermediate_size + h + norm;
  const int64_t head = h * h + h + norm + vocab_size + (tie_word_embeddings ? 0 : vocab_size * h);
  return embeddings + num_hidden_layers * (attention + feed_forward) + head;
}

void validate(const BertConfig& c, const std::string& source) {
  struct Size {
    const char* name;
    int64_t value, most;
  };
  // Far beyond any model; they keep the number of parameters inside 64 bits.
  const Size sizes[] = {{"vocab_size", c.vocab_size, 1 << 28},
                        {"hidden_size", c.hidden_size, 1 << 20},
                        {"num_hidden_layers", c.num_hidden_layers, 1 << 12},
                        {"num_attention_heads", c.num_attention_heads, 1 << 20},
                        {"intermediate_size", c.intermediate_size, 1 << 22},
                        {"max_position_embeddings", c.max_position_embeddings, 1 << 24},
                        {"type_vocab_size", c.type_vocab_size, 1 << 20}};
  for (const auto& [name, value, most] : sizes)
    if (value < 1 || value > most)
      fail(source, ": \"", name, "\" is ", value, "; a number from 1 to ", most, " was expected");
  if (c.hidden_size % c.num_attention_heads != 0)
    fail(source, ": hidden_size ", c.hidden_size, " is not a multiple of num_attention_heads ", c.num_attention_heads);
  for (const auto& [name, p] : {std::pair{"hidden_dropout_prob", c.hidden_dropout_prob},
                                std::pair{"attention_probs_dropout_prob", c.attention_probs_dropout_prob}})
    if (!(p >= 0 && p < 1)) fail(source, ": \"", name, "\" is ", p, "; a number from 0 to below 1 was expected");
  if (!(c.initializer_range >= 0 && c.initializer_range <= 100))
    fail(source, ": \"initializer_range\" is ", c.initializer_range, "; a number from 0 to 100 was expected");
  if (!(c.layer_norm_eps > 0)) fail(source, ": \"layer_norm_eps\" is ", c.layer_norm_eps, "; it must be positive");
  if (c.pad_token_id < 0 || c.pad_token_id >= c.vocab_size)
    fail(source, ": \"pad_token_id\" is ", c.pad_token_id, ", outside of the vocabulary of ", c.vocab_size);
  if (c.hidden_act != "gelu" && c.hidden_act != "gelu_new" && c.hidden_act != "relu")
    fail(source, ": \"hidden_act\" is \"", c.hidden_act, "\"; gelu, gelu_new or relu was expected");
}

BertConfig bert_preset(const std::string& name) {
  BertConfig c;
  if (name == "bert-mini") return c;
  c.hidden_size = 512, c.num_attention_heads = 8, c.intermediate_size = 2048;
  if (name == "bert-small") return c;
  c.num_hidden_layers = 8;
  if (name == "bert-medium") return c;
  fail_usage("--model: \"", name, "\" is not known; bert-mini, bert-small or bert-medium was expected");
}

double default_strength(int64_t parameters) { return std::min(0.2, 0.2 * 11e6 / static_cast<double>(parameters)); }

void validate_strength(attention::Variant variant, double strength, const std::string& flag) {
  using attention::Variant;
  if (!(strength >= 0 && strength <= 20))
    fail_usage(flag, ": ", strength, " was given; a number from 0 to 20 was expected (low turns the sign by itself)");
  if (strength != 0 && (variant == Variant::original || variant == Variant::elemmul))
    fail_usage(flag, ": ", strength, " was given, but ", io::enum_name(variant), " attention has no strength");
}

BertConfig bert_config_from_json(const io::Json& json, const std::string& source) {
  using io::get_or;
  using io::require;
  auto type = require<std::string>(json, "model_type", source);
  if (type != "bert") fail(source, ": \"model_type\" is \"", type, "\"; \"bert\" was expected");
  if (get_or(json, "is_decoder", false, source)) fail(source, ": \"is_decoder\" is true; an encoder was expected");
  auto positions = get_or<std::string>(json, "position_embedding_type", "absolute", source);
  if (positions != "absolute")
    fail(source, ": \"position_embedding_type\" is \"", positions, "\"; \"absolute\" was expected");
  BertConfig c;
  for (auto [name, size] :
       {std::pair{"vocab_size", &c.vocab_size}, std::pair{"hidden_size", &c.hidden_size},
        std::pair{"num_hidden_layers", &c.num_hidden_layers}, std::pair{"num_attention_heads", &c.num_attention_heads},
        std::pair{"intermediate_size", &c.intermediate_size},
        std::pair{"max_position_embeddings", &c.max_position_embeddings}})
    *size = require<int64_t>(json, name, source);
  c.type_vocab_size = get_or(json, "type_vocab_size", c.type_vocab_size, source);
  c.pad_token_id = get_or(json, "pad_token_id", c.pad_token_id, source);
  for (auto [name, value] :
       {std::pair{"hidden_dropout_prob", &c.hidden_dropout_prob},
        std::pair{"attention_probs_dropout_prob", &c.attention_probs_dropout_prob},
        std::pair{"initializer_range", &c.initializer_range}, std::pair{"layer_norm_eps", &c.layer_norm_eps}})
    *value = get_or(json, name, *value, source);
  c.hidden_act = get_or(json, "hidden_act", c.hidden_act, source);
  c.tie_word_embeddings = get_or(json, "tie_word_embeddings", true, source);
  if (json.contains("refined_attention")) {
    const std::string block = source + ": refined_attention";
    try {
      c.refined_attention = io::fields_from_json<RefinedAttentionConfig>(json.at("refined_attention"), block);
      validate_strength(c.refined_attention.attention, c.refined_attention.strength, block + ": \"strength\"");
    } catch (const UsageError& e) {
      throw Error(e.what());  // a damaged file, not a wrong flag
    }
  }
  validate(c, source);
  return c;
}

BertConfig read_bert_config(const std::filesystem::path& path) {
  return bert_config_from_json(io::read_json(path), path.string());
}

io::Json to_json(const BertConfig& c) {
  return {{"architectures", {"BertForMaskedLM"}},
          {"model_type", "bert"},
          {"vocab_size", c.vocab_size},
          {"hidden_size", c.hidden_size},
          {"num_hidden_layers", c.num_hidden_layers},
          {"num_attention_heads", c.num_attention_heads},
          {"intermediate_size", c.intermediate_size},
          {"max_position_embeddings", c.max_position_embeddings},
          {"type_vocab_size", c.type_vocab_size},
          {"pad_token_id", c.pad_token_id},
          {"hidden_act", c.hidden_act},
          {"hidden_dropout_prob", c.hidden_dropout_prob},
          {"attention_probs_dropout_prob", c.attention_probs_dropout_prob},
          {"initializer_range", c.initializer_range},
          {"layer_norm_eps", c.layer_norm_eps},
          {"position_embedding_type", "absolute"},
          {"tie_word_embeddings", c.tie_word_embeddings},
          {"dtype", "float32"},
          {"refined_attention", io::fields_to_json(c.refined_attention)}};
}

}  // namespace saobp::model
