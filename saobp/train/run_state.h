// Where a run stands: what state.json of a checkpoint holds beside weights and moments.
#pragma once

#include "saobp/train/distributed.h"
#include "saobp/train/reporter.h"
#include "saobp/train/run_folder.h"
#include "saobp/train/run_keys.h"

namespace saobp::train {

struct RunState {
  int64_t step = 0;
  uint64_t rows = 0;                          // that the steps of all ranks have seen
  int64_t skipped = 0, skipped_in_a_row = 0;  // steps without an update
  int64_t ranks = 1;                          // that made the newest step
  double seconds = 0;                         // of training so far
  io::Json options = io::Json::object();      // that the newest step was made with, as shared_options has them
};

// The state as state.json has it, with the keys of what the run reads.
io::Json to_json(const RunState& state, const RunKeys& keys);

// Loads the newest checkpoint that is sound; one that is not is passed over, aloud. Error when none is: files that are
// damaged, a step beyond the run's `steps`; and when the newest sound one was made from something else than `keys`.
RunState load_newest_sound(const fs::path& run, const std::vector<fs::path>& newest_first, int64_t steps,
                           const RunKeys& keys, const model::LanguageModel& model, AdamW& optimizer,
                           const Reporter& reporter);

// Weights, moments and state (but for seconds and options, which only rank 0 saves) as rank 0 has them.
void follow_first(const World& world, const model::LanguageModel& model, AdamW& optimizer, RunState& state);

}  // namespace saobp::train
