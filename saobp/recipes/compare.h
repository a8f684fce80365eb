// Two runs, or two sets of runs, on one task: is one better?
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::recipes {

// {"task", "split", "score", "examples", "first", "second": {"run", "runs", "diverged_seeds", "versions" of the task,
// "scored_with": {SETTING: its values in the runs}, "value"}, "difference": {"value", "low", "high", "p"}, "resampled":
// a sentence, "verdict": "better", "worse" or "no difference shown", "unsure": why, where the interval alone would show
// one, "by_examples" (seeds as they are), "mcnemar" (of single runs with right and wrong answers; else null)}, from the
// predictions that the runs hold. A run is a folder with eval/ or with the task's predictions, or that of a suite with
// TASK/seed-N; seeds that diverged are left out and named. Error when the predictions are of other examples, or are not
// there.
io::Json compare_runs(const std::filesystem::path& first, const std::filesystem::path& second, const std::string& task,
                      const std::string& preset, const std::string& split, const std::string& score);

}  // namespace saobp::recipes
