#include "saobp/model/weight_names.h"

namespace saobp::model {
namespace {

class List {
 public:
  explicit List(std::string prefix) : prefix_(std::move(prefix)) {}

  // Nothing where the family has no such tensor.
  void add(const char* name, const torch::Tensor& tensor) {
    if (name && tensor.defined()) tensors.emplace_back(prefix_ + name, tensor.detach());
  }
  void add_pair(const char* name, const torch::Tensor& weight, const torch::Tensor& bias) {
    if (!name || !weight.defined()) return;
    tensors.emplace_back(prefix_ + name + ".weight", weight.detach());
    tensors.emplace_back(prefix_ + name + ".bias", bias.detach());
  }

  TensorList tensors;

 private:
  std::string prefix_;
};

TensorList layer_weights(const TransformerLayerImpl& layer, const Family& family, const std::string& prefix) {
  const auto& names = family.tensors;
  List list(prefix);
  const auto matrix = [&](const char* name, const torch::Tensor& weight, const torch::Tensor& bias) {
    list.add_pair(name, names.input_first ? weight.t() : weight, bias);
  };
  const auto attention_norm = [&](NormPlace place) {
    if (place == family.norm)
      list.add_pair(names.attention_norm, layer.attention_norm_weight, layer.attention_norm_bias);
  };
  const auto output_norm = [&](NormPlace place) {
    if (place == family.norm) list.add_pair(names.output_norm, layer.norm_weight, layer.norm_bias);
  };
  attention_norm(NormPlace::before);
  matrix(names.packed, layer.qkv_weight, layer.qkv_bias);
  const int64_t channels = layer.output_weight.size(0);
  int64_t part = 0;
  for (const char* name : {names.query, names.key, names.value}) {
    matrix(name, layer.qkv_weight.slice(0, part, part + channels), layer.qkv_bias.slice(0, part, part + channels));
    part += channels;
  }
  list.add(names.query_norm, layer.query_norm_weight);
  list.add(names.key_norm, layer.key_norm_weight);
  matrix(names.attention_output, layer.output_weight, layer.output_bias);
  attention_norm(NormPlace::after);
  output_norm(NormPlace::before);
  matrix(names.up, layer.up_weight, layer.up_bias);
  matrix(names.down, layer.down_weight, layer.down_bias);
  output_norm(NormPlace::after);
  return list.tensors;
}

// The name in the same file that another name's tensor may have, where both are one.
std::string twin_of(const Model& model, const std::string& name) {
  const auto& config = model->config;
  const auto* head = model->head();
  const auto& names = config.family->tensors;
  const auto& language = *config.family->head(HeadKind::language_model);
  if (name == concat(names.prefix, names.word_embeddings) && config.tie_word_embeddings)
    return concat(language.output, ".weight");
  if (head && head->record.bias && name == bias_name(head->record)) return concat(head->record.output, ".bias");
  return "";
}

}  // namespace

std::string bias_name(const HeadRecord& record) {
  const std::string bias = record.bias;
  return bias.empty() ? concat(record.output, ".bias") : bias;
}

TensorList backbone_weights(const BackboneImpl& model) {
  const auto& family = *model.config.family;
  const auto& names = family.tensors;
  List list(names.prefix);
  list.add(names.word_embeddings, model.word_embeddings);
  list.add(names.position_embeddings, model.position_embeddings);
  list.add(names.token_type_embeddings, model.token_type_embeddings);
  list.add_pair(names.embedding_norm, model.norm_weight, model.norm_bias);
  list.add_pair(names.embedding_projection, model.projection_weight, model.projection_bias);
  for (size_t i = 0; i < model.layers.size(); ++i)
    for (auto& item : layer_weights(*model.layers[i], family, concat(names.prefix, names.layer, i, ".")))
      list.tensors.push_back(std::move(item));
  list.add_pair(names.final_norm, model.norm_weight, model.norm_bias);
  return list.tensors;
}

TensorList head_weights(const Model& model) {
  List list("");
  const auto* head = model->head();
  if (!head) return {};
  const auto& record = head->record;
  if (record.bias) list.add(bias_name(record).c_str(), head->output_bias);
  list.add_pair(record.dense, head->dense_weight, head->dense_bias);
  list.add_pair(record.norm, head->norm_weight, head->norm_bias);
  list.add(concat(record.output, ".weight").c_str(), head->output_weight);
  return list.tensors;
}

TensorList named_weights(const Model& model) {
  auto all = backbone_weights(*model);
  for (auto& item : head_weights(model)) all.push_back(std::move(item));
  return all;
}

std::vector<std::string> names_in_files(const Model& model, const std::string& name) {
  std::vector<std::string> names = {name};
  if (const auto twin = twin_of(model, name); !twin.empty()) {
    // An untied product of transformers has a bias of its own, and that one counts.
    const bool first = twin.ends_with(".bias") && !model->config.tie_word_embeddings;
    names.insert(first ? names.begin() : names.end(), twin);
  }
  const std::string prefix = model->config.family->tensors.prefix;
  if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
  for (size_t i = 0, n = names.size(); i < n; ++i) {
    const auto old = names[i];
    if (old.ends_with("LayerNorm.weight")) names.push_back(old.substr(0, old.size() - 6) + "gamma");
    if (old.ends_with("LayerNorm.bias")) names.push_back(old.substr(0, old.size() - 4) + "beta");
  }
  return names;
}

bool is_of_a_layer(const Family& family, const std::string& name) {
  const auto& names = family.tensors;
  for (const char* end : names.no_weights)
    if (end && name.ends_with(end)) return false;
  return name.starts_with(names.layer) || name.starts_with(concat(names.prefix, names.layer));
}

}  // namespace saobp::model
