#include <algorithm>
#include <cmath>

#include "saobp/report/figures.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Look = Series::Look;

double lowest(const Layers& layers) {
  double least = layers.front().front();
  for (const auto& heads : layers)
    for (double value : heads) least = std::fmin(least, value);  // which leaves out what is no number
  return least;
}

double highest(const Layers& layers) {
  double most = layers.front().front();
  for (const auto& heads : layers)
    for (double value : heads) most = std::fmax(most, value);
  return most;
}

// A measure over the steps: of B, or of A where that alone was measured.
struct Monitored {
  const char* measure;
  const char* id;
  const char* title;
  const char* y_title;
  const char* caption;
  double least;                      // smallest range of the axis
  double (*extreme)(const Layers&);  // drawn as well; null: none
  const char* of_extreme;
};

constexpr Monitored kMonitored[] = {
    {"attention_entropy", "monitored-entropy", "Attention entropy while training", "nats",
     "On the same validation rows at every look. A head with an entropy near 0 looks at one key: a neighbour, as heads "
     "of position do, or the same for all tokens, which is collapse.",
     0.2, lowest, "lowest head"},
    {"gtd", "monitored-gtd", "Global token dependency while training", "GTD, between 0 and 1",
     "Estimated from random vectors; its standard errors are in metrics.jsonl. Above 0.856, which is the value of "
     "attention that is its own square with the usual β = 0.9 and K = 4, there is often a sink, and GTD falls when the "
     "sink goes: higher is not better.",
     0.05, nullptr, ""},
    {"top_key_share", "monitored-sinks", "Sinks while training", "share of the most attended key",
     "The share of all attention that goes to the key which most of it goes to, mean over sequences. Above 0.3 one "
     "speaks of a sink.",
     0.1, highest, "highest head"}};

const Layers& of_run(const MonitorPoint& point, const char* measure, bool refined) {
  return (refined ? point.refined : point.raw).of(measure);
}

std::vector<Point> over_steps(const RunInput& run, const char* measure, bool refined, double (*of)(const Layers&)) {
  std::vector<Point> points;
  for (const auto& point : run.monitored) {
    const auto& layers = of_run(point, measure, refined);
    if (layers.empty() || std::isnan(of(layers))) continue;
    points.push_back({static_cast<double>(point.step), of(layers)});
  }
  return points;
}

// λ of each layer, where it changes, means over heads.
Chart strengths_chart(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  Chart chart{.id = "monitored-strengths",
              .title = "Strength λ while training",
              .x_title = "step",
              .y_title = "λ",
              .caption = "Learned, or growing to its end; of heads their mean. The number is the layer."};
  size_t layers = 0;
  for (const auto& run : runs)
    for (const auto& point : run.strengths_logged) layers = std::max(layers, point.strengths.size());
  for (size_t layer = 0; layer < layers; ++layer)
    add_curves(chart, runs, groups, concat("layer ", layer), layer == 0 ? Look::line : Look::dashed,
               [&](const RunInput& run, size_t) {
                 std::vector<Point> points;
                 for (const auto& point : run.strengths_logged)
                   if (layer < point.strengths.size()) {
                     const double value = mean(point.strengths[layer]);
                     points.push_back({static_cast<double>(point.step), value,
                                       concat(run.name, ", layer ", layer, ": ", fixed(value, 4))});
                   }
                 return points;
               });
  return chart;
}

}  // namespace

std::vector<Chart> monitor_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::vector<Chart> charts;
  for (const auto& of : kMonitored) {
    Chart chart{.id = of.id, .title = of.title, .x_title = "step", .y_title = of.y_title, .caption = of.caption};
    for (const bool refined : {true, false}) {
      const auto curves = [&](double (*value)(const Layers&), const std::string& what, Look look) {
        add_curves(chart, runs, groups, what, look, [&](const RunInput& run, size_t) {
          const bool has_refined = !run.monitored.empty() && !of_run(run.monitored.front(), of.measure, true).empty();
          return has_refined == refined ? over_steps(run, of.measure, refined, value) : std::vector<Point>();
        });
      };
      const std::string letter = refined ? "B" : "A";
      if (of.extreme) curves(of.extreme, concat(letter, ", ", of.of_extreme), Look::dashed);
      curves(mean, letter + ", mean of all heads", Look::line);
    }
    if (fit_axes(chart, {.least = of.least, .x_from_zero = true})) charts.push_back(std::move(chart));
  }
  if (auto chart = strengths_chart(runs, groups); fit_axes(chart, {.least = 0.02, .x_from_zero = true}))
    charts.push_back(std::move(chart));
  return charts;
}

}  // namespace saobp::report
