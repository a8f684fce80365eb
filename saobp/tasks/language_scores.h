// Figures of how likely texts are, from predictions alone.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "saobp/scores/metrics.h"
#include "saobp/tasks/objective.h"

namespace saobp::tasks {

// {"value", "standard_error"}
io::Json to_json(const scores::Estimate& estimate);

// As scores_of() has it, with "tokens", "words" and "bytes" of all documents. Error naming the prediction that lacks
// something.
io::Json language_scores(const std::vector<Prediction>& predictions);

// That figure of a sample of the documents; UsageError where the predictions do not give it.
std::function<double(std::span<const int64_t>)> language_figure(const std::string& name,
                                                                const std::vector<Prediction>& predictions);

}  // namespace saobp::tasks
