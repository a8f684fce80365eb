// Several tasks, several seeds: a run for each, and a table of what they found.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "saobp/recipes/finetune.h"
#include "saobp/recipes/grid.h"

namespace saobp::recipes {

struct SuiteOutcome {
  bool interrupted = false;
  io::Json summary;  // as summary_of
};

// Fine-tunes on each task with the seeds options.train.seed, the one after it … in FOLDER/TASK/seed-N. A run that is
// through is left as it is, one that was begun goes on, and a task whose files are not in the data is named and left
// out. FOLDER/suite.json holds the summary. Error when `folder` has runs of other options.
//
// `grid`: the first seed first tries its settings in FOLDER/TASK/grid, on what is held back of the training set (a
// tenth unless options.task.holdout says otherwise); all seeds then take the best, with the whole of the training set
// unless something is to be held back there too. Of a try its record and its log are kept, its weights are not. With
// options.task.from_task each seed is fine-tuned on that task first, in FOLDER/from-TASK/seed-N. Both are in the
// records of the runs.
SuiteOutcome run_suite(const FinetuneOptions& options, const std::vector<std::string>& tasks, int64_t seeds,
                       const std::optional<Grid>& grid, const fs::path& folder, const train::Reporter& reporter);

// What a run that is through was scored on, from its record's "final": dev, and the splits beside it.
struct SplitScores {
  std::string name;  // of the task, or of another split of it ("mnli_mismatched")
  std::string split;
  io::Json scores;  // tasks::scores_of
};
std::vector<SplitScores> split_scores(const io::Json& final);

// What the runs with several seeds found on a split of a task.
struct SeedScores {
  std::string name, split;  // as above
  std::vector<io::Json> seeds;
};

// {"tasks": {T: {"split", "seeds", "examples", "scores": {NAME: {"value" (mean over the seeds), "standard_deviation"
// (over seeds), "standard_error" (over examples, mean over the seeds), "values"}}, "baselines", "failed_seeds"}},
// "averages"}; a task's "grid" where one was tried. A seed has failed where its first score is not above that of always
// giving the most frequent answer, or is undefined.
io::Json summary_of(const std::vector<SeedScores>& all);

}  // namespace saobp::recipes
