// Scores of tasks as a table for people.
#pragma once

#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::cli {

struct TaskScores {
  std::string task, split;
  io::Json scores;  // tasks::scores_of
};

// A line a score: value and standard error in points, beside the trivial baselines; "≈" marks a score that is not
// more than two standard errors above the best of these.
std::string scores_table(const std::vector<TaskScores>& tasks, bool by_length = false);

}  // namespace saobp::cli
