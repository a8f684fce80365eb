#include "saobp/recipes/run_frame.h"

#include "saobp/io/partial.h"
#include "saobp/io/words.h"
#include "saobp/recipes/resume.h"
#include "saobp/recipes/run_change.h"
#include "saobp/recipes/run_record.h"

namespace saobp::recipes {
namespace {

train::TrainerParts filled(train::TrainerParts parts, const RunKeys& keys, io::Json shared) {
  parts.keys = to_json(keys);
  parts.options = std::move(shared);
  return parts;
}

}  // namespace

void refuse_existing(const fs::path& run) {
  if (const auto holder = train::holder_of(run))
    fail(run.string(), ": exists already, and ", *holder, " trains in it; choose another --output");
  if (fs::exists(fs::symlink_status(run)))
    fail(run.string(), ": exists already; choose another --output, or continue that run with --resume ", run.string());
}

RunFrame::RunFrame(const Recipe& recipe, const io::Json& options, const RunPlace& place)
    : recipe_(recipe),
      options_(options),
      place_(place),
      composed_(recipe.compose(options, place)),
      keys_(composed_->keys()),
      trainer_options_(composed_->trainer_options()),
      parts_(filled(composed_->trainer_parts(), keys_, recipe.shared(options))) {
  require_same_on_ranks(keys_, place.world);
  trainer_.emplace(trainer_options_, parts_, place.run, place.world, place.reporter);
}

RunOutcome RunFrame::start() {
  place_.world.barrier();  // no folder for a run that some rank cannot begin
  if (place_.world.is_first()) {
    refuse_existing(place_.run);
    record_ = new_record(recipe_.command, options_, composed_->record(), keys_, place_.world);
    std::optional<train::RunLock> lock;
    const bool made =
        train::make_new_folder(place_.run, [&](const fs::path& folder) {  // whole and locked, or not there
          lock.emplace(folder);
          lock->take();
          io::write_json(folder / "run.json", record_);
          composed_->write_folder(folder);
        });
    if (!made) refuse_existing(place_.run);
    lock->moved_to(place_.run);
    train::tell_missing_lock(*lock, place_.run, place_.reporter);
    trainer_->hold(std::move(*lock));
  }
  return train();
}

RunOutcome RunFrame::go_on(std::optional<train::RunLock> lock, bool other_steps) {
  const auto& run = place_.run;
  if (place_.world.is_first()) {
    trainer_->hold(std::move(*lock));
    record_ = io::read_json(run / "run.json");
    if (const auto ranks = record_.value("ranks", place_.world.size());
        ranks != place_.world.size() && !composed_->takes_other_ranks())
      fail(run.string(), ": began with ", io::counted(ranks, "rank"), "; it has ", place_.world.size(),
           " now, and its number of steps follows from that: the same was expected");
    if (record_.contains("keys")) require_same(record_["keys"], keys_, (run / "run.json").string(), run);
    io::sweep_partial(run);
    trainer_->checkpoints().sweep();
    const auto checkpoints = trainer_->checkpoints().newest_first();
    checkpoints.empty() ? composed_->begin_again() : load(checkpoints, other_steps);
    const auto& state = trainer_->state();
    place_.reporter.note(
        "", "resuming ", run.string(),
        checkpoints.empty() ? " from the start: it has no checkpoint yet" : concat(" from step ", state.step));
    if (const auto changed = record_changes(record_, options_, state.step); !changed.empty()) {
      io::write_json(run / "run.json", record_);
      place_.reporter.note("changed", changed);
    }
    const auto schedule = new_schedule(state.options, trainer_options_.optimizer, trainer_options_.steps, state.step);
    if (!schedule.empty()) place_.reporter.note("schedule", schedule);
  }
  return train();
}

void RunFrame::load(const std::vector<fs::path>& newest_first, bool other_steps) {
  const auto& [run, reporter, world, resumed] = place_;
  const int64_t steps = trainer_options_.steps;
  const auto recorded = record_.at("options").at("train").value("steps", steps);
  auto& state = trainer_->state();
  state = load_newest_sound(run, newest_first, std::max(recorded, steps), keys_, parts_.model, trainer_->optimizer(),
                            reporter);
  if (state.step > steps || (other_steps && state.step == steps)) refuse_steps(steps, run, state.step);
  require_unchanged(recipe_, state.options, options_, run.string());
  const int64_t rows = composed_->rows_a_step();
  if (state.ranks != world.size())
    reporter.note("ranks", world.size(), ", and ", state.ranks, " before: a step sees ",
                  io::counted(rows * world.size(), "row"), " from here on, not ", rows * state.ranks);
}

RunOutcome RunFrame::train() {
  const auto& world = place_.world;
  composed_->announce();
  follow_first(world, parts_.model, trainer_->optimizer(), trainer_->state());
  auto outcome = trainer_->train();
  if (outcome.interrupted) return {true, true, world.rank(), outcome.step, {}};
  if (world.is_first()) {
    composed_->finish(outcome.final);
    record_["ranks"] = world.size();
    record_["finished"] = train::timestamp();
    record_["final"] = outcome.final;
    trainer_->lock().require_in_place();
    io::write_json(place_.run / "run.json", record_);
    trainer_->lock().require_in_place();
  }
  world.barrier();
  return {false, true, world.rank(), outcome.step, outcome.final};
}

}  // namespace saobp::recipes
