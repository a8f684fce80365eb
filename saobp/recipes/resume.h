// Going on where a run stands: its newest sound checkpoint.
#pragma once

#include "saobp/recipes/run_keys.h"
#include "saobp/train/distributed.h"
#include "saobp/train/reporter.h"
#include "saobp/train/run_folder.h"
#include "saobp/train/run_state.h"

namespace saobp::recipes {

// Loads the newest checkpoint that is sound; one that is not is passed over, aloud. Error when none is: files that are
// damaged, a step beyond the run's `steps`; and when the newest sound one was made from something else than `keys`, of
// which at least one is of what a flag names.
train::RunState load_newest_sound(const std::filesystem::path& run,
                                  const std::vector<std::filesystem::path>& newest_first, int64_t steps,
                                  const RunKeys& keys, const model::Model& model, train::AdamW& optimizer,
                                  const train::Reporter& reporter);

// Weights, moments and state (but for seconds and options, which only rank 0 saves) as rank 0 has them.
void follow_first(const train::World& world, const model::Model& model, train::AdamW& optimizer,
                  train::RunState& state);

}  // namespace saobp::recipes
