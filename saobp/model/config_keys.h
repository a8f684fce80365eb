// The fields of a config that files call by a name of their family's.
#pragma once

#include "saobp/model/config.h"

namespace saobp::model {

template <class T>
struct ConfigKey {
  const char* ConfigKeys::* name;  // null in a family whose files do not have it
  T ModelConfig::* field;
  T most;  // far beyond any model; it keeps the number of parameters inside 64 bits
};

inline constexpr ConfigKey<int64_t> kSizes[] = {
    {&ConfigKeys::vocab_size, &ModelConfig::vocab_size, 1 << 28},
    {&ConfigKeys::embedding_size, &ModelConfig::embedding_size, 1 << 20},
    {&ConfigKeys::hidden_size, &ModelConfig::hidden_size, 1 << 20},
    {&ConfigKeys::num_hidden_layers, &ModelConfig::num_hidden_layers, 1 << 12},
    {&ConfigKeys::num_attention_heads, &ModelConfig::num_attention_heads, 1 << 20},
    {&ConfigKeys::intermediate_size, &ModelConfig::intermediate_size, 1 << 22},
    {&ConfigKeys::max_position_embeddings, &ModelConfig::max_position_embeddings, 1 << 24},
    {&ConfigKeys::type_vocab_size, &ModelConfig::type_vocab_size, 1 << 20}};

inline constexpr ConfigKey<double> kDropouts[] = {
    {&ConfigKeys::hidden_dropout, &ModelConfig::hidden_dropout_prob, 1},
    {&ConfigKeys::attention_dropout, &ModelConfig::attention_probs_dropout_prob, 1},
    {&ConfigKeys::embedding_dropout, &ModelConfig::embedding_dropout_prob, 1}};

// Calls on_key(name, key) for those that the family has.
template <class Table, class OnKey>
void for_each_key(const Table& table, const ConfigKeys& keys, OnKey&& on_key) {
  for (const auto& key : table)
    if (const char* name = keys.*key.name) on_key(name, key);
}

}  // namespace saobp::model
