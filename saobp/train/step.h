// One update of a language model, masked or causal: what a trainer and a benchmark both run.
#pragma once

#include <cstdint>
#include <span>

#include "saobp/data/batch.h"
#include "saobp/io/json.h"
#include "saobp/model/model.h"
#include "saobp/train/gradient_reducer.h"
#include "saobp/train/optimizer.h"
#include "saobp/train/regularizers.h"

namespace saobp::train {

// What a step sees, one object a pass: "rows", "length", "input_ids" [rows · length], "attention_mask" (null where
// every token is real), "positions" into the flattened ids and the "targets" there.
io::Json to_json(std::span<const data::Batch> batches);

struct StepResult {
  double loss = 0;                      // mean over the predicted tokens of the whole step, of all ranks, nats
  double gradient_norm = 0;             // before clipping; with the regularisers' part
  bool stop = false;                    // some rank asked for an end
  bool abandoned = false;               // before its last pass; nothing was changed
  io::Json terms = io::Json::object();  // of the regularisers, "entropy_reg" and "eigen_reg", which `loss` is without
};

// scale · Σ −log p(target) over the tokens that the batch predicts, as a differentiable scalar. The head's product with
// the vocabulary runs over these positions only, and never as one matrix (linear_cross_entropy.h).
torch::Tensor loss_sum(const model::Model& model, const data::Batch& batch, double scale = 1.0,
                       const model::AttentionProbe& probe = {});

// Forward and backward over every batch (gradients add up; the loss is one mean over all predicted tokens, so that
// accumulation equals a larger batch), clipping, update. Dropout draws from (seed, step). When the loss or the gradient
// is not finite the weights are left as they were and the result says so. `regularizers`, those of the model or null,
// add their terms to what is minimised.
StepResult train_step(const model::Model& model, AdamW& optimizer, std::span<const data::Batch> batches,
                      double learning_rate, uint64_t seed, int64_t step, Regularizers regularizers = nullptr);

// The same step on all ranks, each with batches of its own, as many as the others: the loss is one mean over all that
// they predict, dropout draws from the batch's place among those of all ranks too, and all get the same result. `ranks`
// holds the model's parameters. `stop`, which is asked now and then: this rank asks the others to end after the step;
// one that is alone ends before its next pass.
StepResult train_step(const model::Model& model, AdamW& optimizer, std::span<const data::Batch> batches,
                      double learning_rate, uint64_t seed, int64_t step, GradientReducer& ranks,
                      Regularizers regularizers = nullptr, const std::function<bool()>& stop = {});

}  // namespace saobp::train
