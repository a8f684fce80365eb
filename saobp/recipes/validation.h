// Language-model loss on held-out text.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "saobp/analysis/attention_monitor.h"
#include "saobp/data/rows.h"
#include "saobp/model/model.h"
#include "saobp/train/distributed.h"

namespace saobp::recipes {

struct ValidationResult {
  double loss = 0;        // mean over the predicted tokens, nats
  int64_t predicted = 0;  // of an encoder the masked ones, of a decoder all
  // Where values that are not finite begin, in this rank's rows (model/overflow.h); empty where they are finite.
  std::string not_finite;
  // exp of the loss. An encoder's is no match for a decoder's: it sees both sides of the masked token.
  double perplexity() const;
};

// Over all rows, in evaluation mode (the model's mode is put back); each rank takes every size-th batch, and all get
// the result. `stop` is asked between batches; when it says yes on any rank, there is no result.
std::optional<ValidationResult> validate(const model::Model& model, const data::ValidationRows& rows, int64_t batch,
                                         const std::function<bool()>& stop = {}, const train::World& world = {});

// Attention entropy and GTD of every head on one batch, always the same (analysis/attention_monitor.h).
// Nothing when `stop`, which is asked often, said yes.
std::optional<analysis::MonitoredAttention> look_at_attention(const model::Model& model, const model::Inputs& inputs,
                                                              const analysis::MonitorOptions& options,
                                                              const std::function<bool()>& stop = {});

}  // namespace saobp::recipes
