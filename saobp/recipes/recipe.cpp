#include "saobp/recipes/recipe.h"

#include <ATen/Parallel.h>

#include "saobp/recipes/run_change.h"
#include "saobp/recipes/run_frame.h"
#include "saobp/recipes/run_record.h"
#include "saobp/recipes/sections.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/same_on_ranks.h"

namespace saobp::recipes {
namespace {

int64_t steps_of(const io::Json& options) { return options.at("train").value("steps", int64_t{0}); }

// Of a run that is through and is told nothing that would go on with it.
std::optional<RunOutcome> outcome_of_finished(const RunRecord& record, const io::Json& now, const fs::path& run,
                                              const train::Reporter& reporter, const train::World& world) {
  if (record.final.is_null()) return {};
  const auto step = io::require<int64_t>(record.final, "step", run.string());
  if (steps_of(now) > step) return {};
  // Some rank may have been lost after the end.
  if (!record.began_as(world.launch())) {
    if (steps_of(now) != steps_of(record.options)) refuse_steps(steps_of(now), run, step);
    fail(run.string(), ": this run is finished; there is nothing to resume",
         now.at("train").contains("steps") ? concat(" (--steps N with an N above ", step, " trains it further)") : "");
  }
  reporter.note("", run.string(), ": this run was finished before the restart");
  return RunOutcome{false, true, world.rank(), step, record.final};
}

RunOutcome go_on(const Recipe& recipe, RunRecord record, const io::Json& changes, const fs::path& run,
                 const train::Reporter& reporter, const train::World& world) {
  auto now = with_changes(recipe, record.options, changes, run);
  if (auto outcome = outcome_of_finished(record, now, run, reporter, world)) return *outcome;
  // A launcher starts ranks again while the old ones may still be ending.
  const int64_t patience =
      record.began_as(world.launch()) ? now.at("distributed").at("rank_timeout").get<int64_t>() : 0;
  auto lock = train::lock_run(run, world, patience, reporter);
  record = read_record(run, recipe);  // by now another process may have finished it
  now = with_changes(recipe, record.options, changes, run);
  if (auto outcome = outcome_of_finished(record, now, run, reporter, world)) return *outcome;
  return RunFrame(recipe, now, {run, reporter, world, /*resumed=*/true})
      .go_on(std::move(lock), steps_of(now) != steps_of(record.options));
}

// Work in which rank 0 alone speaks. `flag` is the one that names the run.
RunOutcome with_ranks(const Recipe& recipe, const io::Json& options, const char* flag, const fs::path& run,
                      const train::Reporter& reporter,
                      const std::function<RunOutcome(const train::World&, const train::Reporter&)>& work) {
  if (const auto threads = options.at("train").at("threads").get<int64_t>(); threads > 0)
    at::set_num_threads(static_cast<int>(threads));
  RunOutcome outcome;
  const auto distributed =
      io::fields_from_json<train::DistributedOptions>(options.at("distributed"), "options: distributed");
  train::among_ranks(distributed, [&](const train::World& world) {
    const train::Reporter silent;
    train::InterruptGuard guard;
    io::Json shared = {{"what names the run", flag}};
    shared.update(recipe.shared(options));
    train::require_same_on_ranks(shared, world);
    try {
      outcome = work(world, world.is_first() ? reporter : silent);
    } catch (const train::Interrupted&) {
      outcome = {true, fs::exists(run), world.rank(), 0, {}};
    }
  });
  return outcome;
}

}  // namespace

fs::path folder_name(fs::path folder) {
  while ((folder.filename().empty() || folder.filename() == ".") && folder.has_parent_path() &&
         folder.parent_path() != folder)
    folder = folder.parent_path();
  return folder;
}

RunOutcome start_run(const Recipe& recipe, const io::Json& options, const std::function<void()>& find_inputs,
                     const fs::path& folder, const train::Reporter& reporter) {
  const auto run = folder_name(folder);
  recipe.check(options);
  return with_ranks(recipe, options, "--output", run, reporter,
                    [&](const train::World& world, const train::Reporter& first) {
                      const bool exists = world.sum(world.is_first() && fs::exists(run / "run.json") ? 1.0 : 0.0) > 0;
                      if (exists) {
                        const auto record = read_record(run, recipe);
                        if (!record.began_as(world.launch())) refuse_existing(run);
                        require_same_options(record.options, options, (run / "run.json").string());
                        return go_on(recipe, record, io::Json::object(), run, first, world);
                      }
                      refuse_existing(run);
                      find_inputs();
                      return RunFrame(recipe, options, {run, first, world, /*resumed=*/false}).start();
                    });
}

RunOutcome resume_run(const Recipe& recipe, const fs::path& folder, const io::Json& changes,
                      const train::Reporter& reporter) {
  const auto run = folder_name(folder);
  const auto record = read_record(run, recipe);
  const auto now = with_changes(recipe, record.options, changes, run);
  recipe.check(now);
  return with_ranks(recipe, now, "--resume", run, reporter,
                    [&](const train::World& world, const train::Reporter& first) {
                      return go_on(recipe, record, changes, run, first, world);
                    });
}

}  // namespace saobp::recipes
