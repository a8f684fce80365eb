// Where a run stands: what state.json of a checkpoint holds beside the keys of what the run reads.
#pragma once

#include <cstdint>
#include <string>

#include "saobp/io/json.h"

namespace saobp::train {

struct RunState {
  int64_t step = 0;
  uint64_t rows = 0;                          // that the steps of all ranks have seen
  int64_t skipped = 0, skipped_in_a_row = 0;  // steps without an update
  int64_t ranks = 1;                          // that made the newest step
  double seconds = 0;                         // of training so far
  io::Json options = io::Json::object();      // that the newest step was made with, as shared_options has them
};

io::Json to_json(const RunState& state);

// Error naming `source` when a member is missing, has another type or is out of range; a step beyond the run's `steps`.
RunState run_state_from_json(const io::Json& json, int64_t steps, const std::string& source);

}  // namespace saobp::train
