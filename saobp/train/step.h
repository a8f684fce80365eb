// One update of a masked language model: what a trainer and a benchmark both run.
#pragma once

#include <cstdint>
#include <span>

#include "saobp/data/masking.h"
#include "saobp/model/bert.h"
#include "saobp/train/optimizer.h"

namespace saobp::train {

struct StepResult {
  double loss = 0;           // mean over masked tokens of the whole step, nats
  double gradient_norm = 0;  // before clipping
};

// Sum over the batch's masked tokens of −log p(target), as a differentiable scalar. The head's product with the
// vocabulary runs over masked positions only.
torch::Tensor masked_loss_sum(model::Bert& model, const data::MaskedBatch& batch);

// Forward and backward over every batch (gradients add up; the loss is one mean over all masked tokens, so that
// accumulation equals a larger batch), clipping, update. Dropout draws from (seed, step). When the loss or the gradient
// is not finite the weights are left as they were and the result says so.
StepResult train_step(model::Bert& model, AdamW& optimizer, std::span<const data::MaskedBatch> batches,
                      double learning_rate, uint64_t seed, int64_t step);

}  // namespace saobp::train
