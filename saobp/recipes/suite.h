// Several tasks, several seeds: a run for each, and a table of what they found.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "saobp/recipes/finetune.h"

namespace saobp::recipes {

struct SuiteOutcome {
  bool interrupted = false;
  io::Json summary;  // as summary_of
};

// Fine-tunes on each task with the seeds options.train.seed, the one after it … in FOLDER/TASK/seed-N. A run that is
// through is left as it is, one that was begun goes on, and a task whose files are not in the data is named and left
// out. FOLDER/suite.json holds the summary. Error when `folder` has runs of other options.
SuiteOutcome run_suite(const FinetuneOptions& options, const std::vector<std::string>& tasks, int64_t seeds,
                       const fs::path& folder, const train::Reporter& reporter);

// {"tasks": {T: {"split", "seeds", "examples", "scores": {NAME: {"value" (mean over the seeds), "standard_deviation"
// (over seeds), "standard_error" (over examples, mean over the seeds), "values"}}, "baselines", "failed_seeds"}},
// "averages"}. A seed has failed where its first score is not above that of always giving the most frequent answer, or
// is undefined.
io::Json summary_of(const std::vector<std::pair<std::string, std::vector<io::Json>>>& scores_of_seeds);

}  // namespace saobp::recipes
