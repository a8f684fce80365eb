#include "saobp/recipes/suite.h"

#include <cmath>

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

// What a run that is through has found; null where its record says that it is not.
Json final_of(const Json& record) {
  return record.contains("final") && record.at("final").is_object() && record.at("final").contains("dev")
             ? record.at("final")
             : Json();
}

// What a run's options are to be the same in.
Json compared(const Json& options) {
  Json kept = Json::object();
  for (const char* section : {"refinement", "task", "optimizer", "train"})
    kept[section] = options.value(section, Json::object());
  kept["task"].erase("data");  // a path, which may be written in several ways
  return kept;
}

// Runs the run, unless it is through, and gives what it has found. Nothing when a signal came.
std::optional<Json> final_of_run(const FinetuneOptions& options, const fs::path& run, const train::Reporter& reporter) {
  io::make_folder(run.parent_path());
  if (fs::exists(run / "run.json")) {
    const auto record = io::read_json(run / "run.json");
    const auto wanted = compared(to_json(resolved(options, tasks::find_task(options.task.task, options.task.preset))));
    const auto recorded = compared(record.at("options"));
    for (const auto& [section, values] : wanted.items())
      if (recorded.at(section) != values)
        fail((run / "run.json").string(), ": was made with other options (", section,
             "); choose another --output, or give those again");
    auto found = final_of(record);
    if (!found.is_null()) {
      reporter.note("", run.string(), ": is there already");
      return found;
    }
    if (resume_finetuning(run, Json::object(), reporter).interrupted) return {};
  } else if (finetune(options, run, reporter).interrupted) {
    return {};
  }
  return final_of(io::read_json(run / "run.json"));
}

// Tries all of the grid and puts the best setting into `options`; gives {"grid", "held_out", "score", "tries":
// [{"batch", "learning_rate", "epochs", "value"}], "best"}. Nothing when a signal came.
std::optional<Json> choose(const Grid& grid, FinetuneOptions& options, const fs::path& folder,
                           const train::Reporter& reporter) {
  const auto task = tasks::find_task(options.task.task, options.task.preset);
  const auto& score = task.scores.front();
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
    const auto value = found->at("held_out").at("scores").at(score).at("value");
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

// The run on the task that comes first; its folder is the model of the next. False when a signal came.
bool tune_first(FinetuneOptions& options, const fs::path& folder, const train::Reporter& reporter) {
  auto first = options;
  first.task.task = options.task.from_task;
  first.task.from_task.clear();
  const auto run = folder / concat("from-", options.task.from_task) / concat("seed-", options.train.seed);
  reporter.note("", "\n", run.string());
  options.start.from = run.string();
  return final_of_run(first, run, reporter).has_value();
}

}  // namespace

Json summary_of(const std::vector<std::pair<std::string, std::vector<Json>>>& all) {
  Json tasks = Json::object();
  for (const auto& [task, seeds] : all) {
    Json scores = Json::object();
    for (const auto& [name, score] : seeds.front().at("scores").items()) scores[name] = over_seeds(name, seeds);
    tasks[task] = {{"split", "dev"},
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
  Json choices = Json::object();
  std::vector<std::pair<std::string, std::vector<Json>>> found;
  for (const auto& name : names) {
    auto options = given;
    options.task.task = name;
    const auto task = tasks::find_task(name, options.task.preset);
    if (names.size() > 1) {
      try {
        head_of(task);
        for (const char* split : {"train", "dev"}) tasks::find_split(task, split, options.task.data);
      } catch (const Error& error) {
        reporter.note("left out", name, ": ", error.what());
        continue;
      }
    }
    auto& of_task = found.emplace_back(task.name, std::vector<Json>()).second;
    const bool with_first = !given.task.from_task.empty() && given.task.from_task != name;
    if (!with_first) options.task.from_task.clear();
    for (int64_t n = 0; n < seeds; ++n) {
      options.train.seed = given.train.seed + n;
      options.start.from = given.start.from;
      if (with_first && !tune_first(options, folder, reporter)) return {true, nullptr};
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
      of_task.push_back(final->at("dev"));
    }
  }
  if (found.empty()) fail("--task: none of ", io::listed(names, "and"), " has its files in ", given.task.data);
  auto summary = summary_of(found);
  for (const auto& [task, choice] : choices.items()) summary["tasks"][task]["grid"] = choice;
  io::write_json(folder / "suite.json", summary);
  return {false, summary};
}

}  // namespace saobp::recipes
