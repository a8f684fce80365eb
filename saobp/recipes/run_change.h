// What a run that goes on may be told anew, and what becomes of it.
#pragma once

#include <string>

#include "saobp/recipes/recipe.h"

namespace saobp::recipes {

// The recorded options with those of `changes`, {"train": {"steps": 80}} …, in their place. UsageError for one that a
// run may not be told anew. None of those changes what a step does to the weights but --steps, by the schedule, and
// --threads, by the order of sums.
io::Json with_changes(const Recipe& recipe, const io::Json& recorded, const io::Json& changes, const fs::path& run);

// Error for an option of a checkpoint, as Recipe::shared makes them, that is another one now and may not be. `source`
// is where it was recorded.
void require_unchanged(const Recipe& recipe, const io::Json& checkpoint, const io::Json& options,
                       const std::string& source);

// --steps has to lie beyond what a run has done.
[[noreturn]] void refuse_steps(int64_t steps, const fs::path& run, int64_t done);

// How the learning rate goes on from a checkpoint at `step` whose schedule was another one; empty where it was the
// same.
std::string new_schedule(const io::Json& checkpoint, const train::OptimizerOptions& optimizer, int64_t steps,
                         int64_t step);

// Puts the options into run.json's `record`. What they were, and the end that the run had come to, is kept in its list
// "changes". Gives what is new, for people; empty when nothing is.
std::string record_changes(io::Json& record, const io::Json& options, int64_t step);

}  // namespace saobp::recipes
