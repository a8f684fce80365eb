// Several tasks, several seeds: a run for each, and a table of what they found.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "saobp/recipes/finetune.h"
#include "saobp/recipes/grid.h"
#include "saobp/recipes/suite_summary.h"

namespace saobp::recipes {

struct SuiteOutcome {
  bool interrupted = false;
  io::Json summary;  // as summary_of
};

// Fine-tunes on each task with the seeds options.train.seed, the one after it … in FOLDER/TASK/seed-N. A run that is
// through is left as it is, one that was begun goes on, and a task whose files are not in the data is named and left
// out. FOLDER/suite.json holds the summary. A seed whose training diverges has no score, is named, and is not trained
// again; the others count. Error when `folder` has runs of other options, or all seeds of a single task diverge.
//
// `grid`: the first seed first tries its settings in FOLDER/TASK/grid, on what is held back of the training set (a
// tenth unless options.task.holdout says otherwise); all seeds then take the best, with the whole of the training set
// unless something is to be held back there too. Of a try its record and its log are kept, its weights are not. With
// options.task.from_task each seed is fine-tuned on that task first, in FOLDER/from-TASK/seed-N. Both are in the
// records of the runs.
SuiteOutcome run_suite(const FinetuneOptions& options, const std::vector<std::string>& tasks, int64_t seeds,
                       const std::optional<Grid>& grid, const fs::path& folder, const train::Reporter& reporter);

}  // namespace saobp::recipes
