// What a model says of a task's examples, and its scores.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "saobp/model/model.h"
#include "saobp/tasks/scoring.h"
#include "saobp/train/distributed.h"

namespace saobp::recipes {

// The head's outputs for all items, in the items' order: in evaluation mode (the model's mode is put back), rows of
// like length together, `batch` at a time, so that little is padded; each rank takes every size-th batch. Nothing when
// `stop`, which is asked between batches, said yes on any. Error for values that are not finite.
std::optional<std::vector<std::vector<float>>> outputs_of(const model::Model& model, const tasks::Objective& objective,
                                                          int64_t batch, const std::function<bool()>& stop = {},
                                                          const train::World& world = {});

// The task, its examples and what is asked of the model about them, which all must outlive it.
struct Asking {
  const tasks::Task& task;
  const tasks::Examples& examples;
  const tasks::Objective& objective;
  int64_t batch = 32;
};

struct Evaluation {
  std::vector<tasks::Prediction> predictions;
  io::Json scores;  // tasks::scores_of; without labels "examples" alone
};
// All ranks of `world` share the work and have the result.
std::optional<Evaluation> evaluate(const model::Model& model, const Asking& asking,
                                   const std::function<bool()>& stop = {}, const train::World& world = {});

inline constexpr const char* kPredictions = ".predictions.jsonl";  // behind TASK-SPLIT

// FOLDER/TASK-SPLIT.json with the scores and `settings`, FOLDER/TASK-SPLIT.predictions.jsonl with the predictions,
// and the file that the task's site takes, where it takes that split. Gives in words what another evaluation had found
// that is replaced, "" where none had found anything else.
std::string write_evaluation(const Evaluation& evaluation, const tasks::Task& task, const std::string& split,
                             const io::Json& settings, const std::filesystem::path& folder);

}  // namespace saobp::recipes
