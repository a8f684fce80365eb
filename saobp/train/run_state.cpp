#include "saobp/train/run_state.h"

namespace saobp::train {

io::Json to_json(const RunState& state) {
  return {{"step", state.step},
          {"rows", state.rows},
          {"ranks", state.ranks},
          {"skipped", state.skipped},
          {"skipped_in_a_row", state.skipped_in_a_row},
          {"seconds", state.seconds},
          {"options", state.options}};
}

RunState run_state_from_json(const io::Json& json, int64_t steps, const std::string& source) {
  for (const char* key : {"step", "rows", "skipped", "skipped_in_a_row"})
    if (const auto value = io::require<int64_t>(json, key, source); value < 0)
      fail(source, ": \"", key, "\" is ", value, "; at least 0 was expected");
  if (const auto step = io::require<int64_t>(json, "step", source); step > steps)
    fail(source, ": \"step\" is ", step, "; the run has ", steps, " steps");
  if (const auto ranks = io::get_or<int64_t>(json, "ranks", 1, source); ranks < 1)
    fail(source, ": \"ranks\" is ", ranks, "; at least 1 was expected");
  return {.step = io::require<int64_t>(json, "step", source),
          .rows = io::require<uint64_t>(json, "rows", source),
          .skipped = io::require<int64_t>(json, "skipped", source),
          .skipped_in_a_row = io::require<int64_t>(json, "skipped_in_a_row", source),
          .ranks = io::get_or<int64_t>(json, "ranks", 1, source),
          .seconds = io::require<double>(json, "seconds", source),
          .options = io::get_or<io::Json>(json, "options", io::Json::object(), source)};
}

}  // namespace saobp::train
