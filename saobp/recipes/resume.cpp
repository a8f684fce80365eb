#include "saobp/recipes/resume.h"

#include <algorithm>

namespace saobp::recipes {

train::RunState load_newest_sound(const std::filesystem::path& run,
                                  const std::vector<std::filesystem::path>& newest_first, int64_t steps,
                                  const RunKeys& keys, const model::Model& model, train::AdamW& optimizer,
                                  const train::Reporter& reporter) {
  for (size_t i = 0;; ++i) {
    const auto name = newest_first[i].filename().string(), source = (newest_first[i] / "state.json").string();
    io::SealedJson loaded;
    train::RunState state;
    try {
      loaded = train::Checkpoints::load(newest_first[i], model, optimizer);
      state = train::run_state_from_json(loaded.json, steps, source);
      const auto read = std::find_if(keys.begin(), keys.end(), [](const RunKey& key) { return key.file.empty(); });
      io::require<io::Json>(loaded.json, read->name, source);
    } catch (const Error& error) {
      if (i + 1 == newest_first.size()) throw;
      reporter.note("checkpoint", name, " is passed over: ", error.what());
      continue;
    }
    if (!loaded.sealed)
      reporter.note("checkpoint", name,
                    " carries no checksums, as older versions wrote them: whether it is damaged, or the "
                    "validation text was changed, is not known");
    require_same(loaded.json, keys, source, run);
    return state;
  }
}

void follow_first(const train::World& world, const model::Model& model, train::AdamW& optimizer,
                  train::RunState& state) {
  if (world.size() == 1) return;
  const auto numbers =
      torch::tensor({state.step, static_cast<int64_t>(state.rows), state.skipped, state.skipped_in_a_row, state.ranks});
  const auto moments = optimizer.state();
  world.broadcast({numbers});
  for (const auto& list : {train::parameters_of(*model), moments}) world.broadcast(model::tensors_of(list));
  world.broadcast(model->buffers());
  optimizer.load_state(moments, "rank 0");  // not all of it is a view
  const auto* number = numbers.const_data_ptr<int64_t>();
  state.step = number[0], state.rows = static_cast<uint64_t>(number[1]), state.skipped = number[2],
  state.skipped_in_a_row = number[3], state.ranks = number[4];
}

}  // namespace saobp::recipes
