#include "saobp/train/run_state.h"

namespace saobp::train {
namespace {

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
          .corpus = io::require<std::vector<std::string>>(json, "corpus", source)};
}

}  // namespace

io::Json to_json(const RunState& state) {
  return {{"step", state.step},
          {"rows", state.rows},
          {"ranks", state.ranks},
          {"skipped", state.skipped},
          {"skipped_in_a_row", state.skipped_in_a_row},
          {"corpus", state.corpus},
          {"seconds", state.seconds}};
}

RunState load_newest_sound(const std::vector<fs::path>& newest_first, int64_t steps,
                           const std::vector<std::string>& corpus, const model::LanguageModel& model, AdamW& optimizer,
                           const Reporter& reporter) {
  for (size_t i = 0;; ++i) {
    const auto source = (newest_first[i] / "state.json").string();
    try {
      auto state = run_state_from_json(Checkpoints::load(newest_first[i], model, optimizer), steps, source);
      if (state.corpus != corpus)
        fail(source, ": the text in --corpus was changed since the run began; a resumed run needs the same text");
      return state;
    } catch (const Error& error) {
      if (i + 1 == newest_first.size()) throw;
      reporter.line(concat("checkpoint  ", newest_first[i].filename().string(), " is passed over: ", error.what()));
    }
  }
}

void follow_first(const World& world, const model::LanguageModel& model, AdamW& optimizer, RunState& state) {
  if (world.size() == 1) return;
  const auto numbers =
      torch::tensor({state.step, static_cast<int64_t>(state.rows), state.skipped, state.skipped_in_a_row, state.ranks});
  const auto moments = optimizer.state();
  world.broadcast({numbers});
  for (const auto& list : {parameters_of(*model), moments}) world.broadcast(model::tensors_of(list));
  world.broadcast(model->buffers());
  optimizer.load_state(moments, "rank 0");  // not all of it is a view
  const auto* number = numbers.const_data_ptr<int64_t>();
  state.step = number[0], state.rows = static_cast<uint64_t>(number[1]), state.skipped = number[2],
  state.skipped_in_a_row = number[3], state.ranks = number[4];
}

}  // namespace saobp::train
