// A backbone with a head on it, or without: what a model's folder holds.
#pragma once

#include <memory>
#include <optional>

#include "saobp/model/backbone.h"
#include "saobp/model/head.h"

namespace saobp::model {

struct ModelImpl : BackboneImpl {
  // `kind`: that of the head; absent: the bare backbone. Error when the family has no such head. Weights are drawn with
  // `seed`; without one they are left as memory held them, to be loaded.
  ModelImpl(const ModelConfig& config, std::optional<HeadKind> kind, std::optional<uint64_t> seed);

  // Null where there is no head.
  const Head* head() const { return head_ ? &*head_ : nullptr; }
  // Error, naming the tensors that are missing, unless the head is one of a language model.
  const Head& language_head() const;
  // The hidden states that the head looks at: one of each row, [B, C], for which alone the last layer is gone through
  // to its end, or all, [B, L, C].
  torch::Tensor pooled_states(const Inputs& inputs);
  // What it makes of hidden states: [N, C] → [N, V].
  torch::Tensor logits(const torch::Tensor& hidden) const { return language_head().logits(hidden); }
  bool has_language_head() const { return head_ && head_->record.kind == HeadKind::language_model; }

 private:
  std::optional<Head> head_;
};

using Model = std::shared_ptr<ModelImpl>;

Model make_model(const ModelConfig& config, std::optional<uint64_t> seed,
                 std::optional<HeadKind> head = HeadKind::language_model);

}  // namespace saobp::model
