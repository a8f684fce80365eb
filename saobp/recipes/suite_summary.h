// What the runs of a suite found, as means over their seeds.
#pragma once

#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::recipes {

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
// (over seeds), "standard_error" (over examples, mean over the seeds), "values"}}, "baselines", "failed_seeds", and of
// classes "predicted" and "ties", means over the seeds}}, "averages"}; the suite adds a task's "grid" where one was
// tried, and "diverged_seeds", which have no scores. A seed has failed where its first score is not above that of
// always giving the most frequent answer, or is undefined.
io::Json summary_of(const std::vector<SeedScores>& all);

// GLUE's averages under their three names, of {T: {"scores"}}; null where a task is missing.
io::Json averages_of(const io::Json& tasks);

}  // namespace saobp::recipes
