// The objective of a language model, masked or causal: what its batches are as passes of a step.
#pragma once

#include <span>
#include <vector>

#include "saobp/data/batch.h"
#include "saobp/io/json.h"
#include "saobp/model/model.h"
#include "saobp/train/objective.h"
#include "saobp/train/regularizers.h"
#include "saobp/train/step.h"

namespace saobp::recipes {

// What a step sees, one object a pass: "rows", "length", "input_ids" [rows · length], "attention_mask" (null where
// every token is real), "positions" into the flattened ids and the "targets" there.
io::Json to_json(std::span<const data::Batch> batches);

// The ids and the mask as the model takes them. Views: the batch must outlive them.
model::Inputs inputs_of(const data::Batch& batch);

// scale · Σ −log p(target) over the tokens that the batch predicts, in nats, as a differentiable scalar. The head's
// product with the vocabulary runs over these positions only, and never as one matrix (linear_cross_entropy.h).
torch::Tensor loss_sum(const model::Model& model, const data::Batch& batch, double scale = 1.0,
                       const model::AttentionProbe& probe = {});

// The passes of a step over these batches, which must outlive them, as must the model. `regularizers`, those of the
// model or null, add their terms, "entropy_reg" and "eigen_reg": that of the weights in the first pass of the first
// rank.
std::vector<train::Pass> passes_of(const model::Model& model, std::span<const data::Batch> batches,
                                   train::Regularizers regularizers = nullptr, bool first_rank = true);

// A step over batches (step.h).
inline train::StepResult train_step(const model::Model& model, train::AdamW& optimizer,
                                    std::span<const data::Batch> batches, double learning_rate, uint64_t seed,
                                    int64_t step, train::Regularizers regularizers = nullptr) {
  return train_step(model, optimizer, std::span<const train::Pass>(passes_of(model, batches, std::move(regularizers))),
                    learning_rate, seed, step);
}
inline train::StepResult train_step(const model::Model& model, train::AdamW& optimizer,
                                    std::span<const data::Batch> batches, double learning_rate, uint64_t seed,
                                    int64_t step, train::GradientReducer& ranks,
                                    train::Regularizers regularizers = nullptr,
                                    const std::function<bool()>& stop = {}) {
  return train_step(
      model, optimizer,
      std::span<const train::Pass>(passes_of(model, batches, std::move(regularizers), ranks.world().is_first())),
      learning_rate, seed, step, ranks, stop);
}

}  // namespace saobp::recipes
