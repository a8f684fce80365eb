// One update of a model: what a trainer and a benchmark both run.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "saobp/io/json.h"
#include "saobp/model/model.h"
#include "saobp/train/gradient_reducer.h"
#include "saobp/train/objective.h"
#include "saobp/train/optimizer.h"

namespace saobp::train {

struct StepResult {
  double loss = 0;                      // mean over what the whole step counts, of all ranks
  double gradient_norm = 0;             // before clipping; with the terms' part
  bool stop = false;                    // some rank asked for an end
  bool abandoned = false;               // before its last pass; nothing was changed
  io::Json terms = io::Json::object();  // by name, which `loss` is without
};

// Forward and backward over every pass (gradients add up; the loss is one mean over all that they count, so that
// accumulation equals a larger batch), clipping, update. Dropout draws from (seed, step) and the pass's place among
// those of all ranks, each of which has as many; all get the same result. When the loss or the gradient is not finite
// the weights are left as they were and the result says so. `ranks` holds the model's parameters. `stop`, which is
// asked now and then: this rank asks the others to end after the step; one that is alone ends before its next pass.
StepResult train_step(const model::Model& model, AdamW& optimizer, std::span<const Pass> passes, double learning_rate,
                      uint64_t seed, int64_t step, GradientReducer& ranks, const std::function<bool()>& stop = {});

// In a world of one.
StepResult train_step(const model::Model& model, AdamW& optimizer, std::span<const Pass> passes, double learning_rate,
                      uint64_t seed, int64_t step);

}  // namespace saobp::train
