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

// The scores of a run that is through; null where its record says that it is not.
Json scores_in(const Json& record) {
  return record.contains("final") && record.at("final").is_object() ? record.at("final").value("dev", Json()) : Json();
}

// Runs the run, unless it is through. Nothing when a signal came.
std::optional<Json> scores_of_run(const FinetuneOptions& options, const fs::path& run,
                                  const train::Reporter& reporter) {
  if (fs::exists(run / "run.json")) {
    const auto record = io::read_json(run / "run.json");
    const auto wanted = to_json(resolved(options, tasks::find_task(options.task.task, options.task.preset)));
    for (const char* section : {"refinement", "optimizer", "train"})
      if (record.at("options").value(section, Json()) != wanted.at(section))
        fail((run / "run.json").string(), ": was made with other options (", section,
             "); choose another --output, or give those again");
    const auto found = scores_in(record);
    if (!found.is_null()) {
      reporter.note("", run.string(), ": is there already");
      return found;
    }
    if (resume_finetuning(run, Json::object(), reporter).interrupted) return {};
  } else if (finetune(options, run, reporter).interrupted) {
    return {};
  }
  return scores_in(io::read_json(run / "run.json"));
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
                       const fs::path& folder, const train::Reporter& reporter) {
  train::refuse_ranks("finetune with several tasks or seeds");
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
    for (int64_t n = 0; n < seeds; ++n) {
      options.train.seed = given.train.seed + n;
      const auto run = folder / task.name / concat("seed-", options.train.seed);
      reporter.note("", "\n", run.string());
      io::make_folder(run.parent_path());
      const auto scores = scores_of_run(options, run, reporter);
      if (!scores) return {true, nullptr};
      of_task.push_back(*scores);
    }
  }
  if (found.empty()) fail("--task: none of ", io::listed(names, "and"), " has its files in ", given.task.data);
  auto summary = summary_of(found);
  io::write_json(folder / "suite.json", summary);
  return {false, summary};
}

}  // namespace saobp::recipes
