// Masked-LM loss on held-out text.
#pragma once

#include <functional>
#include <optional>

#include "saobp/data/rows.h"
#include "saobp/model/language_model.h"

namespace saobp::train {

struct ValidationResult {
  double loss = 0;     // mean over masked tokens, nats
  int64_t masked = 0;  // tokens that were predicted
  // exp of the loss. Not comparable with a causal model's perplexity: the model sees both sides of the masked token.
  double masked_lm_perplexity() const;
};

// Over all rows, in evaluation mode (the model's mode is put back). `stop` is asked between batches; when it says yes,
// there is no result.
std::optional<ValidationResult> validate(const model::LanguageModel& model, const data::ValidationRows& rows,
                                         int64_t batch, const std::function<bool()>& stop = {});

}  // namespace saobp::train
