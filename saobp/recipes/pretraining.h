// One rank's work on a run, from its first step or from a checkpoint on, when it is clear that it may begin.
#pragma once

#include <optional>

#include "saobp/recipes/pretrain.h"
#include "saobp/train/run_lock.h"

namespace saobp::recipes {

// A new run. Error when `run` is there by the time that it could begin.
PretrainOutcome begin_run(const PretrainOptions& options, const std::filesystem::path& run,
                          const train::Reporter& reporter, const train::World& world);

// Goes on with `run`, whose lock rank 0 holds. `more_steps`: --steps was given anew, and has to lie beyond what is
// done.
PretrainOutcome continue_run(const PretrainOptions& options, const std::filesystem::path& run,
                             const train::Reporter& reporter, const train::World& world,
                             std::optional<train::RunLock> lock, bool more_steps);

}  // namespace saobp::recipes
