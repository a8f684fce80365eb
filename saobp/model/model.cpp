#include "saobp/model/model.h"

#include "saobp/io/fields.h"

namespace saobp::model {

ModelImpl::ModelImpl(const ModelConfig& c, std::optional<HeadKind> kind, std::optional<uint64_t> seed)
    : BackboneImpl(c) {
  if (kind) {
    const auto* record = c.family->head(*kind);
    if (!record) fail("a ", c.family->title, " has no head for ", io::enum_name(*kind));
    head_.emplace(*record, c, word_embeddings, [&](const std::string& name, torch::IntArrayRef sizes) {
      return register_parameter(name, torch::empty(sizes));
    });
  }
  if (seed) draw_weights(*seed);
}

torch::Tensor ModelImpl::pooled_states(const Inputs& inputs) {
  if (head_->record.pool == Pool::every) return hidden_states(inputs);
  return hidden_states_at(inputs, head_->places(inputs.ids.size(0), inputs.ids.size(1), inputs.attention_mask));
}

const Head& ModelImpl::language_head() const {
  if (has_language_head()) return *head_;
  const auto& record = *config.family->head(HeadKind::language_model);
  const char* missing = record.dense && config.tie_word_embeddings ? record.dense : record.output;
  fail("this checkpoint has no ", config.causal() ? "language-model" : "masked-LM", " head (tensor ", missing,
       ".weight)", head_ ? concat("; its head is that of ", head_->record.architecture) : "");
}

Model make_model(const ModelConfig& config, std::optional<uint64_t> seed, std::optional<HeadKind> head) {
  return std::make_shared<ModelImpl>(config, head, seed);
}

}  // namespace saobp::model
