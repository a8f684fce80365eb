// What a model says of a task's examples, and its scores.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "saobp/model/model.h"
#include "saobp/tasks/objective.h"

namespace saobp::recipes {

// The head's outputs for all items, in the items' order: in evaluation mode (the model's mode is put back), rows of
// like length together, `batch` at a time, so that little is padded. Nothing when `stop`, which is asked between
// batches, said yes. Error naming where values that are not finite begin.
std::optional<std::vector<std::vector<float>>> outputs_of(const model::Model& model, const tasks::Objective& objective,
                                                          int64_t batch, const std::function<bool()>& stop = {});

struct Evaluation {
  std::vector<tasks::Prediction> predictions;
  io::Json scores;  // tasks::scores_of; without labels "examples" alone
};
std::optional<Evaluation> evaluate(const model::Model& model, const tasks::Task& task, const tasks::Examples& examples,
                                   const tasks::Objective& objective, int64_t batch,
                                   const std::function<bool()>& stop = {});

// FOLDER/TASK-SPLIT.json with the scores and `settings`, FOLDER/TASK-SPLIT.predictions.jsonl with the predictions,
// and the file that the task's site takes, where it takes that split.
void write_evaluation(const Evaluation& evaluation, const tasks::Task& task, const std::string& split,
                      const io::Json& settings, const std::filesystem::path& folder);

}  // namespace saobp::recipes
