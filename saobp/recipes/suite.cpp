#include "saobp/recipes/suite.h"

#include <algorithm>
#include <limits>

#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/tasks/examples.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/run_folder.h"

namespace saobp::recipes {
namespace {

using io::Json;

void check_scores(const Json& part, const std::string& where) {
  io::require<int64_t>(part, "examples", where);
  const auto scores = io::require<Json>(part, "scores", where);
  if (!scores.is_object() || scores.empty()) fail(where, ": \"scores\" is ", scores.dump(), "; scores were expected");
  for (const auto& [name, score] : scores.items())
    for (const char* figure : {"value", "standard_error"}) {
      if (!score.is_object() || !score.contains(figure)) fail(where, ": ", name, ": \"", figure, "\" is missing");
      if (!score.at(figure).is_null()) io::require<double>(score, figure, concat(where, ": ", name));
    }
}

// What a run that is through has found; null where its record says that it is not.
Json final_of(const Json& record, const std::string& path) {
  const auto final = io::get_or<Json>(record, "final", Json(), path);
  if (!final.is_object() || !final.contains("dev")) return nullptr;
  io::require<std::string>(final, "task", path + ": final");
  for (const char* part : {"dev", "held_out"})
    if (final.contains(part)) check_scores(final.at(part), concat(path, ": final: ", part));
  const auto also = final.value("also", Json::object());
  for (const auto& [name, part] : also.items()) {
    const auto where = concat(path, ": final: also: ", name);
    check_scores(part, where);
    io::require<std::string>(part, "split", where);
  }
  return final;
}

// Adds what a run with one more seed found to what there is.
void add_seed(const Json& final, std::vector<SeedScores>& found) {
  for (const auto& [name, split, scores] : split_scores(final)) {
    auto place = found.begin();
    while (place != found.end() && place->name != name) ++place;
    if (place == found.end()) place = found.insert(place, {name, split, {}});
    place->seeds.push_back(scores);
  }
}

// What a run's options are to be the same in; paths as a run records them.
Json compared(const Json& options) {
  Json kept = Json::object();
  for (const char* section : {"start", "refinement", "task", "optimizer", "train", "monitor"})
    kept[section] = options.at(section);
  return kept;
}

bool changeable(const std::string& flag) {
  return std::find(kFinetuning.changeable.begin(), kFinetuning.changeable.end(), flag) != kFinetuning.changeable.end();
}

// Fine-tunes or goes on, and says whether a signal came. A run that diverges says so in its record, so that the same
// command does not try it again.
bool interrupted_in(const FinetuneOptions& options, const fs::path& run, const train::Reporter& reporter) {
  const auto path = run / "run.json";
  try {
    return (fs::exists(path) ? resume_finetuning(run, Json::object(), reporter) : finetune(options, run, reporter))
        .interrupted;
  } catch (const NotFinite& error) {
    auto record = io::read_json(path);  // written before the first step
    record["diverged"] = error.what();
    io::write_json(path, record);
    throw;
  }
}

// Runs the run, unless it is through, and gives what it has found. Nothing when a signal came; NotFinite where training
// diverged, now or before.
std::optional<Json> final_of_run(const FinetuneOptions& options, const fs::path& run, const train::Reporter& reporter) {
  io::make_folder(run.parent_path());
  if (fs::exists(run / "run.json")) {
    const auto path = (run / "run.json").string();
    const auto record = io::read_json(path);
    const auto wanted = compared(to_json(as_recorded(options)));
    // As this version would have recorded them, which knows more options.
    const auto recorded = compared(
        to_json(as_recorded(options_from_json<FinetuneOptions>(io::require<Json>(record, "options", path), path))));
    for (const auto& [section, values] : wanted.items())
      for (const auto& [name, value] : values.items())
        if (const auto& before = recorded.at(section).at(name); before != value && !changeable(io::flag_of(name)))
          fail(path, ": was made with another ", io::flag_of(name), " (", before.dump(), ", and not ", value.dump(),
               "); choose another --output, or give that again");
    const auto task = tasks::find_task(options.task.task, options.task.preset);
    const auto version = io::get_or<int64_t>(io::get_or<Json>(record, "task", Json::object(), path), "version",
                                             task.version, path + ": task");
    if (version != task.version)
      fail(path, ": was made with version ", version, " of ", task.title, ", and this is version ", task.version,
           ", whose scores are not the same; choose another --output");
    if (const auto diverged = io::get_or<std::string>(record, "diverged", "", path); !diverged.empty())
      throw NotFinite(diverged);
    auto found = final_of(record, path);
    if (!found.is_null()) {
      train::Checkpoints(run, 1).sweep();  // of what a kill at its end left
      reporter.note("", run.string(), ": is there already");
      return found;
    }
  }
  if (interrupted_in(options, run, reporter)) return {};
  if (train::InterruptGuard::interrupted()) return {};  // while it was scored: it is through, and nothing follows
  return final_of(io::read_json(run / "run.json"), (run / "run.json").string());
}

// Tries all of the grid and puts the best setting into `options`; gives {"grid", "held_out", "score", "tries":
// [{"batch", "learning_rate", "epochs", "value"}], "best"}; a try that diverged has the value null and says so in
// "diverged". Nothing when a signal came.
std::optional<Json> choose(const Grid& grid, FinetuneOptions& options, const fs::path& folder,
                           const train::Reporter& reporter) {
  const auto task = tasks::find_task(options.task.task, options.task.preset);
  const auto score = task.scores.front();
  Json tries = Json::array();
  std::optional<double> best;
  size_t best_try = 0;
  const auto all = tries_of(grid, options);
  for (const auto& of_try : all) {
    const auto run = folder / name_of_try(of_try);
    reporter.note("", "\n", run.string());
    Json of_this = {{"batch", of_try.train.batch},
                    {"learning_rate", of_try.optimizer.learning_rate},
                    {"epochs", resolved(of_try, task).train.epochs},
                    {"value", nullptr}};
    try {
      const auto found = final_of_run(of_try, run, reporter);
      if (!found) return {};
      of_this["value"] = io::require<Json>(found->value("held_out", Json()), "scores", run.string())
                             .value(score, Json())
                             .value("value", Json());
    } catch (const NotFinite& error) {
      reporter.note("no score", error.what());
      of_this["diverged"] = error.what();
    }
    // Of a try its figures count.
    for (const char* name : {"checkpoints", "best", "model.safetensors"}) fs::remove_all(run / name);
    if (const auto& value = of_this["value"]; value.is_number() && (!best || value.get<double>() > *best))
      best = value.get<double>(), best_try = tries.size();
    tries.push_back(of_this);
  }
  if (!best) {  // scores that are undefined are better than none
    const auto ended = [](const Json& of_try) { return !of_try.contains("diverged"); };
    best_try = static_cast<size_t>(std::find_if(tries.begin(), tries.end(), ended) - tries.begin());
    if (best_try == tries.size()) fail("--grid: all ", all.size(), " tries diverged; lower rates may help");
  }
  const auto& winner = all[best_try];
  options.train.batch = winner.train.batch, options.train.epochs = winner.train.epochs;
  options.optimizer.learning_rate = winner.optimizer.learning_rate, options.rate_of_task = false;
  reporter.note("", "\n", task.name, ": the best of ", io::counted(all.size(), "try", "tries"),
                " on what was held back: ", name_of_try(winner), ", ", score, " ",
                best ? io::in_short(*best) : "undefined");
  return Json{{"grid", grid.name},
              {"held_out", winner.task.holdout},
              {"score", score},
              {"tries", tries},
              {"best", tries.at(best_try)}};
}

// Adds what a run's settings come from to its record.
void record_choice(const fs::path& run, const Json& choice) {
  auto record = io::read_json(run / "run.json");
  if (choice.is_null() || record.value("grid", Json()) == choice) return;
  record["grid"] = choice;
  io::write_json(run / "run.json", record);
}

// The run on the task that comes first, with the settings of `options`, and its folder; nothing when a signal came.
std::optional<std::string> tune_first(FinetuneOptions options, const fs::path& folder,
                                      const train::Reporter& reporter) {
  const auto name = tasks::find_task(options.task.from_task).name;
  options.task.task = options.task.from_task;
  options.task.preset.clear();
  options.task.from_task.clear();
  const auto run = folder / concat("from-", name) / concat("seed-", options.train.seed);
  reporter.note("", "\n", run.string());
  if (!final_of_run(options, run, reporter)) return {};
  return run.string();
}

// What would end the suite half-way is found before it begins.
void check_suite(const FinetuneOptions& options, const std::vector<std::string>& names, const std::optional<Grid>& grid,
                 int64_t seeds, const fs::path& folder) {
  if (fs::exists(folder / "run.json"))
    fail_usage("--output: ", folder.string(), " holds a single run; a folder for several was expected");
  if (options.train.seed > std::numeric_limits<int64_t>::max() - seeds)
    fail_usage("--seed: ", options.train.seed, " was given; there are no ", seeds, " seeds from there on");
  check(options);
  model::read_config(fs::path(options.start.from) / "config.json");  // that there is one
  if (!fs::exists(options.task.data)) fail(options.task.data, ": is missing; the files of tasks were expected");
  std::vector<tasks::Task> all;
  all.reserve(names.size() + 1);
  for (const auto& name : names) all.push_back(tasks::find_task(name, options.task.preset));
  if (grid)
    for (const auto& of_try : tries_of(*grid, options)) check(of_try);
  if (!options.task.from_task.empty()) try {
      head_of(all.emplace_back(tasks::find_task(options.task.from_task)));
    } catch (const UsageError& error) {
      fail_usage("--from-task: ", error.what());
    }
  require_windows(all, options.train.overlap, options.train.answer_windows_only);
}

// Whether the model can have a head for the task, and positions for its rows. UsageError.
void require_fit(const FinetuneOptions& options, const tasks::Task& task) {
  const auto kind = head_of(task);
  auto config = model::read_config(fs::path(options.start.from) / "config.json");
  if (config.family->head(kind) == nullptr)
    fail_usage("a ", config.family->name, " has no head for it (", io::enum_name(kind), ")");
  const auto train = resolved(options, task).train;
  if (train.overlap >= train.length)
    fail_usage("its windows are to share ", train.overlap, " tokens (--overlap), and rows have ", train.length,
               " (--length)");
  fit_positions(config, train.length, options.start.extend_positions ? Positions::stretched : Positions::kept);
}

// A mean over seeds says something where all of them were trained and scored on the same.
void require_same_files(const fs::path& run, const fs::path& first) {
  const auto keys = [](const fs::path& of) { return io::read_json(of / "run.json").value("keys", Json::object()); };
  const auto own = keys(run), of_first = keys(first);
  for (const auto& [name, key] : own.items())
    if (of_first.contains(name) && of_first.at(name) != key)
      fail(run.string(), ": its ", name, " is not that of ", first.string(),
           " (\"keys\" in run.json), so that a mean of both would say nothing; choose another --output, or remove the "
           "older runs");
}

struct TaskRuns {
  std::vector<SeedScores> found;  // by split; none where all seeds diverged
  Json extra = Json::object();    // "grid" where settings were tried, "diverged_seeds" where there are any
};

// The runs of one task, a seed each; nothing when a signal came.
std::optional<TaskRuns> tune_seeds(FinetuneOptions options, const tasks::Task& task, int64_t seeds,
                                   const std::optional<Grid>& grid, const fs::path& folder,
                                   const train::Reporter& reporter) {
  const auto given = options;
  const bool asked = !given.task.from_task.empty();
  const bool with_first = asked && tasks::find_task(given.task.from_task).name != task.name;
  if (asked && !with_first) {
    reporter.note("", "\n", task.name, ": is the task that would come first; it is trained on alone");
    options.task.from_task.clear();
  }
  TaskRuns runs;
  fs::path first;  // that is through
  for (int64_t n = 0; n < seeds; ++n) {
    options.train.seed = given.train.seed + n;
    try {
      if (with_first) {
        auto before = given;
        before.train.seed = options.train.seed;
        const auto from = tune_first(before, folder, reporter);
        if (!from) return {};
        options.start.from = *from, options.start.new_head = false;  // which the first task's run was to draw
        if (options.train.learn_strength != LearnStrength::none) options.refinement.strength.reset();  // goes on
      }
      if (grid && !runs.extra.contains("grid")) {
        const auto choice = choose(*grid, options, folder / task.name / "grid", reporter);
        if (!choice) return {};
        runs.extra["grid"] = *choice;
      }
      const auto run = folder / task.name / concat("seed-", options.train.seed);
      reporter.note("", "\n", run.string());
      const auto final = final_of_run(options, run, reporter);
      if (!final) return {};
      if (first.empty()) first = run;
      require_same_files(run, first);
      record_choice(run, runs.extra.value("grid", Json()));
      add_seed(*final, runs.found);
    } catch (const NotFinite& error) {
      reporter.note("no score", error.what());
      runs.extra["diverged_seeds"].push_back(options.train.seed);
    }
  }
  return runs;
}

// The tasks of a suite that was made before into this folder stay in its summary.
void keep_others(const fs::path& path, Json& summary) {
  if (!fs::exists(path)) return;
  const auto before = io::require<Json>(io::read_json(path), "tasks", path.string());
  for (const auto& [task, found] : before.items())
    if (!summary["tasks"].contains(task)) summary["tasks"][task] = found;
  summary["averages"] = averages_of(summary["tasks"]);
}

}  // namespace

SuiteOutcome run_suite(const FinetuneOptions& given, const std::vector<std::string>& names, int64_t seeds,
                       const std::optional<Grid>& grid, const fs::path& folder, const train::Reporter& reporter) {
  train::refuse_ranks("finetune with several tasks, seeds or settings");
  check_suite(given, names, grid, seeds, folder);
  Json extras = Json::object();
  std::vector<SeedScores> found;
  for (const auto& name : names) {
    auto options = given;
    options.task.task = name;
    const auto task = tasks::find_task(name, options.task.preset);
    if (names.size() > 1) {
      try {
        require_fit(options, task);
        for (const char* split : {"train", "dev"}) tasks::find_split(task, split, options.task.data);
      } catch (const UsageError& error) {
        reporter.note("left out", name, ": ", error.what());
        continue;
      } catch (const tasks::NotAsked& error) {
        reporter.note("left out", name, ": ", error.what());
        continue;
      }
    }
    auto of_task = tune_seeds(options, task, seeds, grid, folder, reporter);
    if (!of_task) return {true, nullptr};
    if (of_task->found.empty()) {
      const auto words = concat("all of its ", io::counted(seeds, "seed"), " diverged; a lower rate may help");
      if (names.size() == 1) fail(task.name, ": ", words);
      reporter.note("left out", name, ": ", words);
    }
    for (auto& scores : of_task->found) found.push_back(std::move(scores));
    extras[task.name] = of_task->extra;
  }
  if (found.empty()) fail("--task: none of ", io::listed(names, "and"), " was trained on, for what is said above");
  auto summary = summary_of(found);
  for (const auto& [task, extra] : extras.items())
    if (summary["tasks"].contains(task)) summary["tasks"][task].update(extra);
  keep_others(folder / "suite.json", summary);
  io::write_json(folder / "suite.json", summary);
  return {false, summary};
}

}  // namespace saobp::recipes
