#include "saobp/recipes/pretrain.h"

#include "saobp/recipes/pretraining.h"
#include "saobp/recipes/run_change.h"
#include "saobp/recipes/run_record.h"
#include "saobp/recipes/run_setup.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/same_on_ranks.h"

namespace saobp::recipes {
namespace {

// Of a run that is through and is told nothing that would go on with it.
std::optional<PretrainOutcome> outcome_of_finished(const RunRecord& record, const PretrainOptions& now,
                                                   const fs::path& run, const train::Reporter& reporter,
                                                   const train::World& world) {
  if (record.final.is_null()) return {};
  const auto step = io::require<int64_t>(record.final, "step", run.string());
  if (now.train.steps > step) return {};
  // Some rank may have been lost after the end.
  if (!record.began_as(world.launch())) {
    if (now.train.steps != record.options.train.steps) refuse_steps(now.train.steps, run, step);
    fail(run.string(), ": this run is finished; there is nothing to resume (--steps N with an N above ", step,
         " trains it further)");
  }
  reporter.note("", run.string(), ": this run was finished before the restart");
  return PretrainOutcome{false, true, world.rank(), step, record.final};
}

PretrainOutcome go_on(RunRecord record, const io::Json& changes, const fs::path& run, const train::Reporter& reporter,
                      const train::World& world) {
  auto now = with_changes(record.options, changes, run);
  if (auto outcome = outcome_of_finished(record, now, run, reporter, world)) return *outcome;
  // A launcher starts ranks again while the old ones may still be ending.
  const int64_t patience = record.began_as(world.launch()) ? now.distributed.rank_timeout : 0;
  auto lock = train::lock_run(run, world, patience, reporter);
  record = read_record(run);  // by now another process may have finished it
  now = with_changes(record.options, changes, run);
  if (auto outcome = outcome_of_finished(record, now, run, reporter, world)) return *outcome;
  return continue_run(now, run, reporter, world, std::move(lock), now.train.steps != record.options.train.steps);
}

// Work in which rank 0 alone speaks. `flag` is the one that names the run.
PretrainOutcome with_ranks(const PretrainOptions& options, const char* flag, const fs::path& run,
                           const train::Reporter& reporter,
                           const std::function<PretrainOutcome(const train::World&, const train::Reporter&)>& work) {
  set_threads(options);
  PretrainOutcome outcome;
  train::among_ranks(options.distributed, [&](const train::World& world) {
    const train::Reporter silent;
    train::InterruptGuard guard;
    io::Json shared = {{"what names the run", flag}};
    shared.update(shared_options(options));
    require_same_on_ranks(shared, world);
    try {
      outcome = work(world, world.is_first() ? reporter : silent);
    } catch (const train::Interrupted&) {
      outcome = {true, fs::exists(run), world.rank(), 0, {}};
    }
  });
  return outcome;
}

}  // namespace

PretrainOutcome pretrain(const PretrainOptions& options, const fs::path& folder, const train::Reporter& reporter) {
  const auto run = folder_name(folder);
  check(options);
  const auto kept = with_absolute_paths(options);
  return with_ranks(kept, "--output", run, reporter, [&](const train::World& world, const train::Reporter& first) {
    const bool exists = world.sum(world.is_first() && fs::exists(run / "run.json") ? 1.0 : 0.0) > 0;
    if (exists) {
      const auto record = read_record(run);
      if (!record.began_as(world.launch())) refuse_existing(run);
      require_same_options(record.options, kept, (run / "run.json").string());
      return go_on(record, io::Json::object(), run, first, world);
    }
    refuse_existing(run);
    find_texts(options);
    return begin_run(kept, run, first, world);
  });
}

PretrainOutcome resume(const fs::path& folder, const io::Json& changes, const train::Reporter& reporter) {
  const auto run = folder_name(folder);
  const auto record = read_record(run);
  auto now = with_changes(record.options, changes, run);
  check(now);
  if (!now.corpus.cache.empty()) now.corpus.cache = fs::absolute(now.corpus.cache).string();
  auto kept = changes;
  if (kept.contains("corpus") && kept["corpus"].contains("cache")) kept["corpus"]["cache"] = now.corpus.cache;
  return with_ranks(now, "--resume", run, reporter, [&](const train::World& world, const train::Reporter& first) {
    return go_on(record, kept, run, first, world);
  });
}

}  // namespace saobp::recipes
