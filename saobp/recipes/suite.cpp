#include "saobp/recipes/suite.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/scores/glue.h"
#include "saobp/tasks/examples.h"
#include "saobp/train/interrupt.h"

namespace saobp::recipes {
namespace {

using io::Json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json over_seeds(const std::string& name, const std::vector<Json>& seeds) {
  Json values = Json::array();
  double sum = 0, squares = 0, errors = 0, defined = 0, with_error = 0;
  for (const auto& scores : seeds) {
    const auto& score = scores.at("scores").at(name);
    values.push_back(score.at("value"));
    if (score.at("standard_error").is_number()) errors += score.at("standard_error").get<double>(), ++with_error;
    if (!score.at("value").is_number()) continue;
    const double value = score.at("value").get<double>();
    sum += value, squares += value * value, ++defined;
  }
  const double mean = sum / defined;
  return {{"value", number(mean)},
          {"standard_deviation",
           number(std::sqrt(std::max(0.0, squares - defined * mean * mean) / (defined > 1 ? defined - 1 : 0.0)))},
          {"standard_error", number(errors / with_error)},
          {"values", values}};
}

int64_t failed_seeds(const std::vector<Json>& seeds) {
  int64_t failed = 0;
  for (const auto& scores : seeds) {
    const auto& all = scores.at("scores");
    const auto& value = all.front().at("value");
    const auto name = all.items().begin().key();
    const auto baselines = scores.value("baselines", Json::object());
    double least = 0;  // of a correlation
    if (baselines.contains("majority") && baselines.at("majority").value(name, Json()).is_number())
      least = baselines.at("majority").at(name).get<double>();
    failed += !value.is_number() || value.get<double>() <= least;
  }
  return failed;
}

Json averages_of(const Json& tasks) {
  scores::GlueScores glue;
  for (const auto& [task, found] : tasks.items())
    for (const auto& [name, score] : found.at("scores").items())
      if (score.at("value").is_number()) glue[task][name] = score.at("value").get<double>();
  const auto json = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  return {{"glue_site", json(scores::glue_site_average(glue))},
          {"glue_paper", json(scores::glue_paper_average(glue))},
          {"glue_without_wnli", json(scores::glue_without_wnli(glue))}};
}

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

// Runs the run, unless it is through, and gives what it has found. Nothing when a signal came.
std::optional<Json> final_of_run(const FinetuneOptions& options, const fs::path& run, const train::Reporter& reporter) {
  io::make_folder(run.parent_path());
  if (fs::exists(run / "run.json")) {
    const auto path = (run / "run.json").string();
    const auto record = io::read_json(path);
    const auto wanted = compared(to_json(as_recorded(options)));
    const auto recorded =
        compared(to_json(options_from_json<FinetuneOptions>(io::require<Json>(record, "options", path), path)));
    for (const auto& [section, values] : wanted.items())
      for (const auto& [name, value] : values.items())
        if (const auto& before = recorded.at(section).at(name); before != value && !changeable(io::flag_of(name)))
          fail(path, ": was made with another ", io::flag_of(name), " (", before.dump(), ", and not ", value.dump(),
               "); choose another --output, or give that again");
    auto found = final_of(record, path);
    if (!found.is_null()) {
      reporter.note("", run.string(), ": is there already");
      return found;
    }
    if (resume_finetuning(run, Json::object(), reporter).interrupted) return {};
  } else if (finetune(options, run, reporter).interrupted) {
    return {};
  }
  if (train::InterruptGuard::interrupted()) return {};  // while it was scored: it is through, and nothing follows
  return final_of(io::read_json(run / "run.json"), (run / "run.json").string());
}

// Tries all of the grid and puts the best setting into `options`; gives {"grid", "held_out", "score", "tries":
// [{"batch", "learning_rate", "epochs", "value"}], "best"}. Nothing when a signal came.
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
    const auto found = final_of_run(of_try, run, reporter);
    if (!found) return {};
    // Of a try its figures count.
    for (const char* name : {"checkpoints", "best", "model.safetensors"}) fs::remove_all(run / name);
    const auto value = io::require<Json>(found->value("held_out", Json()), "scores", run.string())
                           .value(score, Json())
                           .value("value", Json());
    if (value.is_number() && (!best || value.get<double>() > *best))
      best = value.get<double>(), best_try = tries.size();
    tries.push_back({{"batch", of_try.train.batch},
                     {"learning_rate", of_try.optimizer.learning_rate},
                     {"epochs", resolved(of_try, task).train.epochs},
                     {"value", value}});
  }
  const auto& winner = all[best_try];
  options.train.batch = winner.train.batch, options.train.epochs = winner.train.epochs;
  options.optimizer.learning_rate = winner.optimizer.learning_rate;
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
  for (const auto& name : names) tasks::find_task(name, options.task.preset);
  if (grid)
    for (const auto& of_try : tries_of(*grid, options)) check(of_try);
  if (options.task.from_task.empty()) return;
  try {
    head_of(tasks::find_task(options.task.from_task));
  } catch (const UsageError& error) {
    fail_usage("--from-task: ", error.what());
  }
}

// Whether the model can have a head for the task, and positions for its rows. UsageError.
void require_fit(const FinetuneOptions& options, const tasks::Task& task) {
  const auto kind = head_of(task);
  auto config = model::read_config(fs::path(options.start.from) / "config.json");
  if (config.family->head(kind) == nullptr)
    fail_usage("a ", config.family->name, " has no head for it (", io::enum_name(kind), ")");
  fit_positions(config, resolved(options, task).train.length,
                options.start.extend_positions ? Positions::stretched : Positions::kept);
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

std::vector<SplitScores> split_scores(const Json& final) {
  std::vector<SplitScores> found = {{final.at("task"), "dev", final.at("dev")}};
  const auto also = final.value("also", Json::object());
  for (const auto& [name, scores] : also.items()) found.push_back({name, scores.at("split"), scores});
  return found;
}

Json summary_of(const std::vector<SeedScores>& all) {
  Json tasks = Json::object();
  for (const auto& [task, split, seeds] : all) {
    Json scores = Json::object();
    for (const auto& [name, score] : seeds.front().at("scores").items()) scores[name] = over_seeds(name, seeds);
    tasks[task] = {{"split", split},
                   {"seeds", seeds.size()},
                   {"examples", seeds.front().at("examples")},
                   {"scores", scores},
                   {"baselines", seeds.front().value("baselines", Json::object())},
                   {"failed_seeds", failed_seeds(seeds)}};
  }
  const auto averages = averages_of(tasks);
  return {{"tasks", tasks}, {"averages", averages}};
}

SuiteOutcome run_suite(const FinetuneOptions& given, const std::vector<std::string>& names, int64_t seeds,
                       const std::optional<Grid>& grid, const fs::path& folder, const train::Reporter& reporter) {
  train::refuse_ranks("finetune with several tasks, seeds or settings");
  check_suite(given, names, grid, seeds, folder);
  Json choices = Json::object();
  std::vector<SeedScores> found;
  for (const auto& name : names) {
    auto options = given;
    options.task.task = name;
    const auto task = tasks::find_task(name, options.task.preset);
    if (names.size() > 1) {
      try {
        require_fit(options, task);
        for (const char* split : {"train", "dev"}) tasks::find_split(task, split, options.task.data);
      } catch (const Error& error) {
        reporter.note("left out", name, ": ", error.what());
        continue;
      }
    }
    const bool with_first = !given.task.from_task.empty() && tasks::find_task(given.task.from_task).name != task.name;
    if (!with_first && !given.task.from_task.empty())
      reporter.note("", "\n", task.name, ": is the task that would come first; it is trained on alone");
    if (!with_first) options.task.from_task.clear();
    for (int64_t n = 0; n < seeds; ++n) {
      options.train.seed = given.train.seed + n;
      if (with_first) {
        auto before = given;
        before.train.seed = options.train.seed;
        const auto from = tune_first(before, folder, reporter);
        if (!from) return {true, nullptr};
        options.start.from = *from;
        if (options.train.learn_strength != LearnStrength::none) options.refinement.strength.reset();  // goes on
      }
      if (n == 0 && grid) {
        const auto choice = choose(*grid, options, folder / task.name / "grid", reporter);
        if (!choice) return {true, nullptr};
        choices[task.name] = *choice;
      }
      const auto run = folder / task.name / concat("seed-", options.train.seed);
      reporter.note("", "\n", run.string());
      const auto final = final_of_run(options, run, reporter);
      if (!final) return {true, nullptr};
      record_choice(run, choices.value(task.name, Json()));
      add_seed(*final, found);
    }
  }
  if (found.empty()) fail("--task: none of ", io::listed(names, "and"), " has its files in ", given.task.data);
  auto summary = summary_of(found);
  for (const auto& [task, choice] : choices.items()) summary["tasks"][task]["grid"] = choice;
  keep_others(folder / "suite.json", summary);
  io::write_json(folder / "suite.json", summary);
  return {false, summary};
}

}  // namespace saobp::recipes
