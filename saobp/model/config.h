// config.json of a BERT, as transformers writes it, with this project's settings in one block, "refined_attention".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "saobp/attention/variant.h"
#include "saobp/io/json.h"

namespace saobp::model {

// The strength λ ≥ 0 of [SAOBP]; `low` turns its sign.
struct RefinedAttentionConfig {
  attention::Variant attention = attention::Variant::original;
  double strength = 0.0;
  bool exclude_self = true;  // Algorithm 1; false gives Eq. 11 literally

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("attention", self.attention, "attention variant: original, high, low or elemmul");
    visit("strength", self.strength, "repulsive strength λ ≥ 0 (low turns the sign)");
    visit("exclude_self", self.exclude_self, "leave a row's own message out, as Algorithm 1 does");
  }
};

struct BertConfig {
  int64_t vocab_size = 30522;
  int64_t hidden_size = 256;
  int64_t num_hidden_layers = 4;
  int64_t num_attention_heads = 4;
  int64_t intermediate_size = 1024;
  int64_t max_position_embeddings = 512;
  int64_t type_vocab_size = 2;
  int64_t pad_token_id = 0;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  double initializer_range = 0.02;
  double layer_norm_eps = 1e-12;
  std::string hidden_act = "gelu";  // gelu (erf), gelu_new (tanh) or relu
  bool tie_word_embeddings = true;
  RefinedAttentionConfig refined_attention;

  int64_t head_size() const { return hidden_size / num_attention_heads; }
  // Every learned number, tied ones once, with the masked-LM head.
  int64_t parameters() const;
};

// Throws Error that begins with `source` and names both numbers when sizes do not fit together or are not positive.
void validate(const BertConfig& config, const std::string& source);

// "bert-mini", "bert-small", "bert-medium" of Table 4 in [SAOBP]; UsageError lists them for any other name.
BertConfig bert_preset(const std::string& name);

// λ = min(0.2, 0.2 · 11 M / parameters): the rule behind the paper's 0.2, 0.08 and 0.05.
double default_strength(int64_t parameters);

// UsageError unless 0 ≤ strength ≤ 20 (and 0 for variants without one); `flag` is what the message calls it.
void validate_strength(attention::Variant variant, double strength, const std::string& flag);

BertConfig bert_config_from_json(const io::Json& json, const std::string& source);
BertConfig read_bert_config(const std::filesystem::path& path);
// As transformers writes it for BertForMaskedLM.
io::Json to_json(const BertConfig& config);

}  // namespace saobp::model
