// Scores from predictions alone, so that they can be made again from the files.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "saobp/tasks/objective.h"

namespace saobp::tasks {

// {"examples", "scores": {NAME: {"value", "standard_error"}}, "baselines": {…}, "predicted": shares, "ties"} and, where
// the task has groups or the predictions tell their tokens, "groups": {GROUP: {VALUE: {"examples", "scores"}}}, with
// the group "length": "33-64" tokens; of a classification also "confusion": {GOLD: {PREDICTED: examples}}. A score that
// is undefined is null. Error for a prediction without gold, or one that is not of the task's labels.
io::Json scores_of(const Task& task, const std::vector<Prediction>& predictions);

// That score of a sample of the predictions, as places among them. They may go meanwhile. Error for a score that the
// task does not have.
std::function<double(std::span<const int64_t>)> score_of_sample(const Task& task,
                                                                const std::vector<Prediction>& predictions,
                                                                const std::string& score);

// One line each: "id", "gold", "prediction" and the details.
void write_predictions(const std::filesystem::path& path, const std::vector<Prediction>& predictions);
// The same as the task's site or official script takes them. GLUE: "index" (from 0) and "prediction", a word or a
// number as in the files, of a regression cut to its range. SQuAD: an object of texts by their ids; of version 2 also,
// beside it, as NAME.na_prob.json, a number from 0 to 1 that grows with what speaks for no answer.
void write_submission(const std::filesystem::path& path, const Task& task, const std::vector<Prediction>& predictions);

std::vector<Prediction> read_predictions(const std::filesystem::path& path);

}  // namespace saobp::tasks
