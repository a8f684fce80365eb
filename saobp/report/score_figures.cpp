#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "saobp/report/correlation_table.h"
#include "saobp/report/figures.h"
#include "saobp/report/html.h"
#include "saobp/scores/shown.h"

namespace saobp::report {
namespace {

using Look = Series::Look;
constexpr size_t kFewest = 3;  // two points always lie on a line

struct Measured {
  const char* measure;
  const char* title;
  const char* heading;
};
constexpr Measured kMeasures[] = {{"gtd", "GTD", "GTD"},
                                  {"attention_entropy", "Attention entropy", "attention entropy, nats"}};

// " NAME: r = …, 12 steps."
std::string correlation_of(const Series& series, const std::string& what) {
  std::vector<double> xs, ys;
  for (const auto& point : series.points) xs.push_back(point.x), ys.push_back(point.y);
  return concat(" ", series.title, ": ", in_words(scores::pearson_test(xs, ys)), ", ", io::counted(xs.size(), what),
                ".");
}

std::vector<Chart> checkpoint_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::vector<Chart> charts;
  std::set<std::string> names;
  std::vector<std::vector<StepLook>> looks;
  for (const auto& run : runs) {
    looks.push_back(looks_with_perplexity(run));
    for (const auto& look : looks.back()) names.insert(look.name);
  }
  for (const auto& name : names)
    for (const auto& of : kMeasures) {
      Chart chart{.id = concat("checkpoints-", of.measure, "-", name),
                  .title = concat(of.title, " against perplexity: ", name),
                  .x_title = of.heading,
                  .y_title = "perplexity of the validation text",
                  .caption = "One point is one step of a run; measure: mean over heads and layers of B.",
                  .integer_x = false};
      for (const auto& group : groups)
        for (const size_t index : group.runs) {
          Series points{runs[index].name, group.colour, Look::points, {}};
          for (const auto& look : looks[index]) {
            const double x = mean(look.refined->of(of.measure));
            if (look.name != name || !std::isfinite(x)) continue;
            points.points.push_back({x, look.perplexity,
                                     concat(runs[index].name, ", step ", grouped(look.step), ": ", of.heading, " ",
                                            fixed(x, 3), ", perplexity ", fixed(look.perplexity, 2))});
          }
          if (points.points.size() < kFewest) continue;
          chart.caption += correlation_of(points, "step");
          chart.series.push_back(std::move(points));
        }
      chart.caption += " What rises or falls with training goes with whatever else does, so a large r shows no cause.";
      if (fit_axes(chart, {})) charts.push_back(std::move(chart));
    }
  return charts;
}

// Runs that were scored on a task and analysed on its rows: analysis TASK-SPLIT.
std::vector<Chart> task_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::map<std::string, std::string> scores;  // of analyses' names: the headline score
  for (const auto& run : runs)
    for (const auto& task : run.tasks)
      if (const auto& all = task.scores.at("scores"); !all.empty())
        scores.emplace(task.name + "-" + task.split, all.items().begin().key());
  std::vector<Chart> charts;
  for (const auto& entry : scores)
    for (const auto& of : kMeasures) {
      const auto &name = entry.first, &score = entry.second;
      const double unit = scores::unit_of(score);
      Chart chart{.id = concat("runs-", of.measure, "-", name),
                  .title = concat(of.title, " against ", score, ": ", name),
                  .x_title = of.heading,
                  .y_title = unit == 100 ? score + ", points" : score,
                  .caption = "One point is one run, analysed on the rows that it was scored on.",
                  .integer_x = false};
      Series all{"All runs", 0, Look::points, {}};
      for (const auto& group : groups) {
        Series points{group.name, group.colour, Look::points, {}};
        for (const size_t index : group.runs) {
          const auto& run = runs[index];
          const auto analysis = std::find_if(run.analyses.begin(), run.analyses.end(),
                                             [&](const AnalysisRecord& each) { return each.name == name; });
          const auto task = std::find_if(run.tasks.begin(), run.tasks.end(),
                                         [&](const TaskRecord& each) { return each.name + "-" + each.split == name; });
          if (analysis == run.analyses.end() || task == run.tasks.end()) continue;
          const auto value = task->scores.at("scores").value(score, io::Json::object()).value("value", io::Json());
          const double x = mean(analysis->refined.of(of.measure));
          if (!value.is_number() || !std::isfinite(x)) continue;
          const double y = unit * value.get<double>();
          points.points.push_back({x, y, concat(run.name, ": ", of.heading, " ", fixed(x, 3), ", ", fixed(y, 2))});
          all.points.push_back({x, y});
        }
        if (!points.points.empty()) chart.series.push_back(std::move(points));
      }
      if (all.points.size() < kFewest || !fit_axes(chart, {})) continue;
      chart.caption += correlation_of(all, "run");
      charts.push_back(std::move(chart));
    }
  return charts;
}

}  // namespace

std::vector<StepLook> looks_with_perplexity(const RunInput& run) {
  std::map<int64_t, double> losses;
  for (const auto& point : run.validation_loss) losses[point.step] = point.value;
  std::vector<StepLook> looks;
  const auto add = [&](const std::string& name, int64_t step, const MatrixMeasures& refined) {
    const auto loss = losses.find(step);
    if (loss == losses.end() || !std::isfinite(std::exp(loss->second))) return;
    looks.push_back({name, step, &refined, std::exp(loss->second)});
  };
  for (const auto& each : run.checkpoints) add(each.name, each.step, each.analysis.refined);
  for (const auto& point : run.monitored) add("rows watched while training", point.step, point.refined);
  return looks;
}

std::vector<Chart> score_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  auto charts = checkpoint_charts(runs, groups);
  auto more = task_charts(runs, groups);
  std::move(more.begin(), more.end(), std::back_inserter(charts));
  return charts;
}

}  // namespace saobp::report
