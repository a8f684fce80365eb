// Two runs, or two sets of runs, on one task: is one better?
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::recipes {

// The folders of runs that `run` stands for: itself, where it has eval/ or the task's predictions, or of a suite's
// folder those in TASK/seed-N, by N.
std::vector<std::filesystem::path> runs_of(const std::filesystem::path& run, const std::string& task);

// {"task", "split", "score", "examples", "first", "second": {"run", "seeds", "value"}, "difference": {"value", "low",
// "high", "p"}, "resampled": a sentence, "verdict": "better", "worse" or "no difference shown", "by_examples" (seeds as
// they are), "mcnemar" (of single runs with right and wrong answers; else null)}, from the predictions that the runs
// hold. Error when they are of other examples, or are not there.
io::Json compare_runs(const std::filesystem::path& first, const std::filesystem::path& second, const std::string& task,
                      const std::string& preset, const std::string& split, const std::string& score);

}  // namespace saobp::recipes
