#include "saobp/model/head.h"

#include "saobp/io/error.h"
#include "saobp/model/add_norm.h"
#include "saobp/model/dropout.h"
#include "saobp/model/matmul.h"

namespace saobp::model {
namespace {

double dropout_of(const HeadRecord& record, const ModelConfig& config) {
  const std::string key = record.dropout;
  if (key.empty()) return 0;
  const auto found = config.head_dropouts.find(key);
  if (found != config.head_dropouts.end()) return found->second;
  return record.default_dropout < 0 ? config.hidden_dropout_prob : record.default_dropout;
}

}  // namespace

int64_t outputs_of(HeadKind kind, const ModelConfig& config) {
  switch (kind) {
    case HeadKind::language_model:
      return config.vocab_size;
    case HeadKind::sequence_classification:
      // transformers' default, where config.json names no labels.
      return config.labels.empty() ? 2 : static_cast<int64_t>(config.labels.size());
    case HeadKind::span:
      return 2;
    case HeadKind::replaced_token:
    case HeadKind::multiple_choice:
      return 1;
  }
  return 0;
}

Head::Head(const HeadRecord& r, const ModelConfig& c, const torch::Tensor& word_embeddings, const Register& add)
    : record(r),
      activation_(r.activation ? r.activation : c.hidden_act),
      layer_norm_eps_(c.layer_norm_eps),
      dropout_(dropout_of(r, c)) {
  const bool language = r.kind == HeadKind::language_model;
  const int64_t inner = language ? c.embedding_channels() : c.hidden_size, outputs = outputs_of(r.kind, c);
  if (r.dense) {
    dense_weight = add("head_transform_dense_weight", {inner, c.hidden_size});
    dense_bias = add("head_transform_dense_bias", {inner});
  }
  if (r.norm) {
    norm_weight = add("head_transform_LayerNorm_weight", {inner});
    norm_bias = add("head_transform_LayerNorm_bias", {inner});
  }
  if (!language || !c.tie_word_embeddings)
    output_weight = add(r.dense ? "head_decoder_weight" : "head_weight", {outputs, inner});
  if (r.bias) output_bias = add("head_bias", {outputs});
  word_embeddings_ = word_embeddings;
}

torch::Tensor Head::places(int64_t batch, int64_t length, const torch::Tensor& attention_mask) const {
  if (record.pool == Pool::every) fail(record.architecture, ": looks at every token");
  const auto rows = torch::arange(batch) * length;
  if (record.pool == Pool::first) return rows;
  if (!attention_mask.defined()) return rows + (length - 1);
  return rows + torch::arange(length).mul(attention_mask.to(torch::kLong)).argmax(1);
}

torch::Tensor Head::states(const torch::Tensor& hidden, uint64_t seed) const {
  const double p = seed == 0 ? 0 : dropout_;
  auto x = record.dropout_before_dense ? dropout(hidden, p, derive_seed(seed, 0)) : hidden;
  if (dense_weight.defined()) {
    x = activation_ == "tanh" ? dense(x, dense_weight, dense_bias).tanh()
                              : bias_activation(activation_, dense(x, dense_weight), dense_bias);
    if (norm_weight.defined()) x = layer_norm(x, {norm_weight, norm_bias, layer_norm_eps_});
  }
  return dropout(x, p, derive_seed(seed, 1));
}

OutputProjection Head::projection() const {
  return {output_weight.defined() ? output_weight : word_embeddings_, output_bias};
}

torch::Tensor Head::logits(const torch::Tensor& hidden, uint64_t seed) const {
  const auto [weight, bias] = projection();
  return dense(states(hidden, seed), weight, bias);
}

}  // namespace saobp::model
