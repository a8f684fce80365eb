#include "saobp/recipes/suite_summary.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "saobp/scores/glue.h"

namespace saobp::recipes {
namespace {

using io::Json;

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
  return {{"value", io::number_or_null(mean)},
          {"standard_deviation", io::number_or_null(std::sqrt(std::max(0.0, squares - defined * mean * mean) /
                                                              (defined > 1 ? defined - 1 : 0.0)))},
          {"standard_error", io::number_or_null(errors / with_error)},
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

// How often each class was predicted, the mean over seeds, and how many examples were tied, rounded.
void add_predicted(const std::vector<Json>& seeds, Json& summary) {
  if (!seeds.front().contains("predicted")) return;
  std::map<std::string, double> shares;
  int64_t ties = 0;
  for (const auto& scores : seeds) {
    const auto of_seed = scores.value("predicted", Json::object());
    for (const auto& [name, share] : of_seed.items())
      shares[name] += share.get<double>() / static_cast<double>(seeds.size());
    ties += scores.value("ties", int64_t{0});
  }
  summary["predicted"] = shares;
  summary["ties"] = std::llround(static_cast<double>(ties) / static_cast<double>(seeds.size()));
}

}  // namespace

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
    add_predicted(seeds, tasks[task]);
  }
  const auto averages = averages_of(tasks);
  return {{"tasks", tasks}, {"averages", averages}};
}

}  // namespace saobp::recipes
