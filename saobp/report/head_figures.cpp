#include <algorithm>
#include <cmath>

#include "saobp/report/correlation_table.h"
#include "saobp/report/figures.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Look = Series::Look;

struct Pair {
  const char* measure;
  const char* heading;
};
constexpr Pair kGraphs[] = {{"clustering", "clustering coefficient"}, {"betweenness", "betweenness"}};
constexpr Pair kEntropy = {"attention_entropy", "attention entropy, nats"};

Chart head_chart(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups, const AnalysisGroup& analyses,
                 const Pair& against) {
  Chart chart{.id = concat("heads-gtd-", against.measure, "-", analyses.name),
              .title = concat("GTD against ", against.heading, ", head by head"),
              .x_title = "GTD",
              .y_title = against.heading,
              .integer_x = false,
              .histograms = true};
  std::string words;
  for (const auto& group : groups) {
    Series points{group.name, group.colour, Look::points, {}};
    std::vector<double> xs, ys;
    for (const size_t run : group.runs) {
      const auto* analysis = analyses.of_run[run];
      if (!analysis) continue;
      const auto &gtd = analysis->refined.of("gtd"), &other = analysis->refined.of(against.measure);
      for (size_t layer = 0; layer < std::min(gtd.size(), other.size()); ++layer)
        for (size_t head = 0; head < std::min(gtd[layer].size(), other[layer].size()); ++head) {
          const double x = gtd[layer][head], y = other[layer][head];
          if (std::isnan(x) || std::isnan(y)) continue;
          xs.push_back(x), ys.push_back(y);
          points.points.push_back({x, y,
                                   concat(runs[run].name, ", layer ", layer, " head ", head, ": GTD ", fixed(x, 3),
                                          ", ", against.heading, " ", fixed(y, 3))});
        }
    }
    if (points.points.empty()) continue;
    words += concat(" ", group.name, ": ", in_words(scores::pearson_test(xs, ys)), ", ", io::counted(xs.size(), "head"),
                    ".");
    chart.series.push_back(std::move(points));
  }
  chart.caption = concat("One point is one head of B, its mean over sequences; Pearson's r over them.", words,
                         " Heads of one model are no independent draws: p is as small as that lets it be.");
  return chart;
}

}  // namespace

std::vector<Chart> head_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                               const AnalysisGroup& analyses) {
  std::vector<Chart> charts;
  for (const auto& against : kGraphs)
    if (auto chart = head_chart(runs, groups, analyses, against); fit_axes(chart, {}))
      charts.push_back(std::move(chart));
  if (charts.empty())
    if (auto chart = head_chart(runs, groups, analyses, kEntropy); fit_axes(chart, {}))
      charts.push_back(std::move(chart));
  return charts;
}

}  // namespace saobp::report
