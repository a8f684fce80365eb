#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "saobp/io/words.h"
#include "saobp/report/conditions.h"
#include "saobp/report/correlation_table.h"
#include "saobp/report/figures.h"
#include "saobp/report/html.h"
#include "saobp/scores/shown.h"

namespace saobp::report {
namespace {

using Look = Series::Look;
constexpr const char* kPerplexity = "perplexity";
constexpr size_t kFewest = 3;  // two points always lie on a line

struct Measured {
  const char* measure;
  const char* title;
  const char* heading;
  const char* reading;  // behind the caption
};
constexpr Measured kMeasures[] = {
    {"gtd", "GTD", "GTD",
     " Higher GTD is not better: heads with a sink have much of it, and it falls when the sink goes."},
    {"attention_entropy", "Attention entropy", "attention entropy, nats", ""}};

// " NAME: r = …, 12 steps."
std::string correlation_of(const Series& series, const std::string& what) {
  std::vector<double> xs, ys;
  for (const auto& point : series.points) xs.push_back(point.x), ys.push_back(point.y);
  return concat(" ", series.title, ": ", in_words(scores::pearson_test(xs, ys)), ", ", io::counted(xs.size(), what),
                ".");
}

std::string shown(const std::string& score) { return scores::unit_of(score) == 100 ? score + ", points" : score; }

std::string apart_in_words(const std::vector<std::string>& apart) {
  return apart.empty() ? ""
                       : concat(" Other than the analyses that have the name alone: ", io::listed(apart, "and"), ".");
}

std::vector<Chart> checkpoint_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  const auto looks = looks_with_scores(runs);
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> kinds;  // of name and score, what is apart
  for (const auto& of_run : looks)
    for (const auto& look : of_run) kinds[{look.name, look.score}] = look.apart;
  std::vector<Chart> charts;
  for (const auto& [kind, differs] : kinds)
    for (const auto& of : kMeasures) {
      const auto& [name, score] = kind;
      Chart chart{.id = concat("checkpoints-", of.measure, "-", score, "-", name),
                  .title = concat(of.title, " against ", score, ": ", name),
                  .x_title = of.heading,
                  .y_title = score == kPerplexity ? "perplexity of the validation text" : shown(score),
                  .caption = concat("One point is one step of a run; measure: mean over heads and layers of B.",
                                    apart_in_words(differs)),
                  .integer_x = false};
      for (const auto& group : groups)
        for (const size_t index : group.runs) {
          Series points{runs[index].name, group.colour, Look::points, {}};
          for (const auto& look : looks[index]) {
            const double x = mean(look.refined->of(of.measure));
            if (std::pair(look.name, look.score) != kind || !std::isfinite(x)) continue;
            points.points.push_back({x, look.value,
                                     concat(runs[index].name, ", step ", grouped(look.step), ": ", of.heading, " ",
                                            fixed(x, 3), ", ", score, " ", fixed(look.value, 2))});
          }
          if (points.points.size() < kFewest) continue;
          chart.caption += correlation_of(points, "step");
          chart.series.push_back(std::move(points));
        }
      chart.caption += " What rises or falls with training goes with whatever else does, so a large r shows no cause.";
      chart.caption += of.reading;
      if (fit_axes(chart, {})) charts.push_back(std::move(chart));
    }
  return charts;
}

// On how many of a task's examples a run's attention was looked at.
std::string looked_at(const ScoredRun& scored) {
  const auto limit = number_in(scored.analysis->settings, "limit").value_or(0);
  return limit > 0 ? concat(limit, " of the ", number_in(scored.task->scores, "examples").value_or(0)) : "all the";
}

std::vector<Chart> task_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::map<std::pair<std::string, std::string>, std::vector<ScoredRun>> kinds;  // of name and score
  for (auto& scored : scored_runs(runs)) kinds[{scored.name, scored.score}].push_back(std::move(scored));
  std::vector<Chart> charts;
  for (const auto& [kind, of_kind] : kinds)
    for (const auto& of : kMeasures) {
      const auto& [name, score] = kind;
      Chart chart{.id = concat("runs-", of.measure, "-", name),
                  .title = concat(of.title, " against ", score, ": ", name),
                  .x_title = of.heading,
                  .y_title = shown(score),
                  .caption = "One point is one run." + apart_in_words(of_kind.front().apart),
                  .integer_x = false};
      Series all{"All runs", 0, Look::points, {}};
      std::set<std::string> parts;
      for (const auto& group : groups) {
        Series points{group.name, group.colour, Look::points, {}};
        for (const auto& scored : of_kind) {
          if (std::find(group.runs.begin(), group.runs.end(), scored.run) == group.runs.end()) continue;
          const double x = mean(scored.analysis->refined.of(of.measure));
          if (!std::isfinite(x)) continue;
          parts.insert(looked_at(scored));
          points.points.push_back(
              {x, scored.value,
               concat(runs[scored.run].name, ": ", of.heading, " ", fixed(x, 3), ", ", fixed(scored.value, 2))});
          all.points.push_back({x, scored.value});
        }
        if (!points.points.empty()) chart.series.push_back(std::move(points));
      }
      if (all.points.size() < kFewest || !fit_axes(chart, {})) continue;
      chart.caption += concat(" Its attention was looked at on ",
                              io::listed(std::vector<std::string>(parts.begin(), parts.end()), "or"),
                              " examples that it was scored on.", correlation_of(all, "run"), of.reading);
      charts.push_back(std::move(chart));
    }
  return charts;
}

// What a run was validated by, at each step: perplexity, or of fine-tuning the task's first score.
std::pair<std::string, std::map<int64_t, double>> validated(const RunInput& run) {
  std::map<int64_t, double> values;
  if (run.validation_loss.empty() && !run.score_curves.empty()) {
    const auto& curve = run.score_curves.front();
    for (const auto& point : curve.points) values[point.step] = scores::unit_of(curve.score) * point.value;
    return {curve.score, values};
  }
  for (const auto& point : run.validation_loss) values[point.step] = std::exp(point.value);
  return {kPerplexity, values};
}

}  // namespace

std::vector<std::vector<StepLook>> looks_with_scores(const std::vector<RunInput>& runs) {
  Kinds kinds;
  std::vector<std::vector<StepLook>> all;
  for (const auto& run : runs) {
    auto& looks = all.emplace_back();
    const auto [score, values] = validated(run);
    const auto add = [&, &score = score, &values = values](const Kinds::Kind& kind, int64_t step,
                                                           const MatrixMeasures& refined) {
      if (const auto value = values.find(step); value != values.end() && std::isfinite(value->second))
        looks.push_back({kind.name, kind.apart, step, &refined, score, value->second});
    };
    for (const auto& each : run.checkpoints) add(kinds.of(each.name, each.analysis), each.step, each.analysis.refined);
    for (const auto& point : run.monitored) add({"rows watched while training", {}}, point.step, point.refined);
  }
  return all;
}

std::vector<ScoredRun> scored_runs(const std::vector<RunInput>& runs) {
  Kinds kinds;
  std::vector<ScoredRun> found;
  for (size_t index = 0; index < runs.size(); ++index)
    for (const auto& analysis : runs[index].analyses)
      for (const auto& task : runs[index].tasks) {
        const auto& all = task.scores.at("scores");
        if (analysis.name != task.name + "-" + task.split || all.empty()) continue;
        const auto first = all.begin();
        const auto value = number_in(first.value(), "value");
        if (!value) continue;
        const auto kind = kinds.of(analysis.name, analysis);
        found.push_back(
            {kind.name, kind.apart, index, &task, &analysis, first.key(), scores::unit_of(first.key()) * *value});
      }
  return found;
}

std::vector<Chart> score_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  auto charts = checkpoint_charts(runs, groups);
  auto more = task_charts(runs, groups);
  std::move(more.begin(), more.end(), std::back_inserter(charts));
  return charts;
}

}  // namespace saobp::report
