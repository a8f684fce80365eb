// What sets one family of models apart from another: everything that config.json, the tensors' names and the shape of
// its backbone and heads say. The code that reads, runs and writes models asks this record and never a family's name.
// To add one: a record in families/, its line in families(), and its parity test (CONTRIBUTING.md).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::model {

struct ModelConfig;

// The keys of config.json; nullptr: the family has none for that.
struct ConfigKeys {
  const char* vocab_size = "vocab_size";
  const char* embedding_size = nullptr;
  const char* hidden_size = "hidden_size";
  const char* num_hidden_layers = "num_hidden_layers";
  const char* num_attention_heads = "num_attention_heads";
  const char* intermediate_size = "intermediate_size";
  const char* max_position_embeddings = "max_position_embeddings";
  const char* type_vocab_size = "type_vocab_size";
  const char* hidden_dropout = "hidden_dropout_prob";
  const char* attention_dropout = "attention_probs_dropout_prob";
  const char* embedding_dropout = nullptr;  // else that of the hidden states
  const char* layer_norm_eps = "layer_norm_eps";
  const char* activation = "hidden_act";
  bool attention_scaling = false;  // scale_attn_weights, scale_attn_by_inverse_layer_idx, reorder_and_upcast_attn
};

// The tensors of the backbone as transformers' files name them, without `prefix`, which a bare backbone's file lacks.
// Pairs of weight and bias are named without their endings; nullptr: the family has no such tensor.
struct TensorNames {
  const char* prefix;
  const char* word_embeddings;
  const char* position_embeddings;
  const char* token_type_embeddings = nullptr;
  const char* embedding_norm = nullptr;
  const char* embedding_projection = nullptr;  // where embedding_size is not hidden_size
  const char* final_norm = nullptr;            // of the last layer's output
  const char* layer;                           // before the layer's number and a dot
  // In a layer. The packed matrix holds query, key and value, one after the other.
  const char *query = nullptr, *key = nullptr, *value = nullptr, *packed = nullptr;
  const char *attention_output, *attention_norm, *up, *down, *output_norm;
  const char *query_norm, *key_norm;           // ours: the gains of QK-norm
  bool input_first = false;                    // matrices are [in, out], as transformers' Conv1D has them
  std::array<const char*, 2> no_weights = {};  // ends of names in a layer that hold no weight, such as a causal mask
};

// LayerNorm after each sum with the residual (BERT), or before attention and feed-forward, and once at the end (GPT-2).
enum class NormPlace { after, before };

// What a head is for: tokens (masked or next ones), whether each token was replaced (ELECTRA's own task), classes or a
// number for a text or a pair, where an answer starts and ends, and which of several texts is the right one.
enum class HeadKind { language_model, replaced_token, sequence_classification, span, multiple_choice };

inline const std::vector<std::string>& enum_names(HeadKind) {
  static const std::vector<std::string> names = {"language_model", "replaced_token", "sequence_classification", "span",
                                                 "multiple_choice"};
  return names;
}

// Which hidden states a head looks at: every one, those of the first token, or of the last real one.
enum class Pool { every, first, last };

// A head: [dropout →] dense → activation [→ LayerNorm] → dropout → output, its first part where `dense` is named.
struct HeadRecord {
  HeadKind kind;
  const char* architecture;  // transformers' class
  Pool pool;
  const char* dense = nullptr;
  const char* activation = nullptr;  // of the dense part; nullptr: the config's
  const char* norm = nullptr;
  const char* output;           // its weight is output + ".weight"
  const char* bias = "";        // the whole name; "": output + ".bias"; nullptr: it has none
  const char* dropout = "";     // the key of config.json; "": there is no dropout
  double default_dropout = -1;  // where the key is absent or null; −1: that of the hidden states
  bool dropout_before_dense = false;
};

struct Family {
  const char* name;          // "model_type" of config.json
  const char* title;         // for people
  const char* architecture;  // transformers' class of the bare backbone
  bool causal = false;
  ConfigKeys keys = {};
  // What transformers takes where config.json says nothing, in the layout of such a file.
  void (*set_defaults)(ModelConfig& config);
  // Settings of transformers that no model here follows, each with the one value that is taken.
  std::vector<std::pair<const char*, io::Json>> only = {};
  TensorNames tensors;
  NormPlace norm = NormPlace::after;
  bool dropout_after_attention = true;  // on its output, before the sum with the residual
  // RoBERTa's: positions count real tokens, from pad_token_id + 1 on; padding has position pad_token_id.
  bool positions_from_padding = false;
  int64_t separators = 1;   // between the two texts of a pair
  int64_t second_type = 1;  // token type of the second text
  std::vector<HeadRecord> heads;

  // Null where the family has no such head.
  const HeadRecord* head(HeadKind kind) const;
};

// All of them; "bert" is the first.
const std::vector<const Family*>& families();
// Error naming `source` and the families that are known.
const Family& find_family(std::string_view name, const std::string& source = "model_type");

// The names that BERT has, under another prefix.
TensorNames bert_tensors(const char* prefix);

// The records, one file each in families/.
extern const Family kBert, kRoberta, kDistilbert, kElectra, kGpt2;

}  // namespace saobp::model
