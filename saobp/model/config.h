// What a model is like: config.json, as transformers writes it, with this project's settings in one block,
// "refined_attention", and "trained_positions" beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "saobp/attention/variant.h"
#include "saobp/io/json.h"
#include "saobp/model/family.h"

namespace saobp::model {

// λ ≥ 0 layer by layer: one number for all heads of a layer, or one for each.
using Strengths = std::vector<std::vector<double>>;

// The strength λ ≥ 0 of [SAOBP]; `low` turns its sign.
struct RefinedAttentionConfig {
  attention::Variant attention = attention::Variant::original;
  double strength = 0.0;
  bool exclude_self = true;  // Algorithm 1; false gives Eq. 11 literally
  // In the place of `strength`, which then is what they began from; empty: that is the strength everywhere.
  Strengths strengths = {};
  int64_t strength_length = 0;  // rows of more tokens are refined as ones of so many are (AttentionOptions); 0: none
  bool qk_norm = false;         // RMSNorm with a learned gain on each head's queries and keys

  // What every block in a file must have; the others are left out where they say nothing.
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("attention", self.attention, "attention variant: original, high, low or elemmul");
    visit("strength", self.strength, "repulsive strength λ ≥ 0 (low turns the sign)");
    visit("exclude_self", self.exclude_self, "leave a row's own message out, as Algorithm 1 does");
  }
};

// Sizes and settings of any family, under BERT's names; files have the names of their family (ConfigKeys).
struct ModelConfig {
  const Family* family = &kBert;
  int64_t vocab_size = 30522;
  int64_t embedding_size = 0;  // channels of the embeddings; 0: hidden_size
  int64_t hidden_size = 256;
  int64_t num_hidden_layers = 4;
  int64_t num_attention_heads = 4;
  int64_t intermediate_size = 1024;
  int64_t max_position_embeddings = 512;
  // Places of the position table that rows of training reached, where those are not known to be all; 0: not said.
  int64_t trained_positions = 0;
  int64_t type_vocab_size = 2;  // 0: the family has no token types
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  double embedding_dropout_prob = 0.1;  // where the family names it; else that of the hidden states
  double initializer_range = 0.02;
  double layer_norm_eps = 1e-12;
  std::string hidden_act = "gelu";  // gelu (erf), gelu_new (tanh) or relu
  bool tie_word_embeddings = true;
  RefinedAttentionConfig refined_attention;
  // Weights are learned through σReparam (sigma_reparam.h). Not in files: they hold the weights that it makes.
  bool sigma_reparam = false;
  int64_t pad_token_id = 0;  // an encoder's
  std::optional<int64_t> bos_token_id;
  std::vector<int64_t> eos_token_ids;  // any of which ends a text
  // GPT-2's: scores are divided by √(C/H) or not, and by the layer's number from 1 or not. The third asks for products
  // in float32, which is what they are made in here in any case.
  bool scale_attn_weights = true, scale_attn_by_inverse_layer_idx = false, reorder_and_upcast_attn = false;
  std::vector<std::string> labels;              // of a classifier, in the order of its outputs ("id2label")
  std::map<std::string, double> head_dropouts;  // by their keys; absent ones have their family's default

  bool causal() const { return family->causal; }
  int64_t head_size() const { return hidden_size / num_attention_heads; }
  int64_t embedding_channels() const { return embedding_size > 0 ? embedding_size : hidden_size; }
  // Tokens of the longest row: the position table, without the places that RoBERTa leaves to padding.
  int64_t max_length() const {
    return max_position_embeddings - (family->positions_from_padding ? pad_token_id + 1 : 0);
  }
  // Tokens of the longest row whose positions were trained, as far as it is known.
  int64_t trained_length() const { return trained_positions > 0 ? trained_positions : max_length(); }
  // What scores are multiplied with beyond 1/√(C/H).
  double score_scale(int64_t layer) const;
  void set_dropout(double p);
  // Every learned number in the model's file, tied ones once, with the language-model head.
  int64_t parameters() const;
};

// Throws Error that begins with `source` and names both numbers, under the names of the family's files, when sizes do
// not fit together or are not positive.
void check(const ModelConfig& config, const std::string& source);

// A sentence where rows of so many tokens reach positions that were never trained; else nothing.
std::string note_on_positions(const ModelConfig& config, int64_t tokens);

// "bert-mini", "bert-small", "bert-medium" of Table 4 in [SAOBP], and "gpt2-mini" … of the same shapes with GPT-2's
// vocabulary, 1,024 positions and its other settings; UsageError lists them for any other name.
ModelConfig model_preset(const std::string& name);
// The same, or the config.json that is named, or that of a folder. What it says of attention is in it.
ModelConfig named_config(const std::string& name);

// λ = min(0.2, 0.2 · 11 M / parameters): the rule behind the paper's 0.2, 0.08 and 0.05.
double default_strength(int64_t parameters);
// The same for a model. A GPT-2 takes the value of the BERT of its shape, whose parameters the rule counts: its larger
// vocabulary does not weaken the attention.
double default_strength(const ModelConfig& config);

// [λ, …] with one λ a layer, or a list of one λ a head in its place. Error naming `source`.
Strengths strengths_from_json(const io::Json& json, const std::string& source);
io::Json to_json(const Strengths& strengths);
// UsageError unless there is one entry a layer with one λ or one a head, each as check_strength wants it.
void check_strengths(const ModelConfig& config, const std::string& flag);

// UsageError unless 0 ≤ strength ≤ 20 (and 0 for variants without one); `flag` is what the message calls it.
void check_strength(attention::Variant variant, double strength, const std::string& flag);

// UsageError unless 0, or at least 1 of an attention that has a strength.
void check_strength_length(attention::Variant variant, int64_t length, const std::string& flag);

// Error when "model_type" is of no known family, when something in it is not supported, or when the sizes do not fit.
// What is absent has transformers' default.
ModelConfig config_from_json(const io::Json& json, const std::string& source);
ModelConfig read_config(const std::filesystem::path& path);
// The block alone.
io::Json to_json(const RefinedAttentionConfig& refined);
// As transformers writes it for the family's class with that head (null: for the bare backbone).
io::Json to_json(const ModelConfig& config, const HeadRecord* head);
// The same for a language model.
io::Json to_json(const ModelConfig& config);

}  // namespace saobp::model
