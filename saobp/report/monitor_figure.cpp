#include <algorithm>
#include <cmath>

#include "saobp/report/figure_parts.h"
#include "saobp/report/figures.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Layers = std::vector<std::vector<double>>;
using Look = Series::Look;

double lowest(const Layers& layers) {
  double least = layers.front().front();
  for (const auto& heads : layers)
    for (double value : heads) least = std::fmin(least, value);  // which leaves out what is no number
  return least;
}

// Entropy or GTD of all runs over the steps.
struct MonitorChart {
  const char* values;  // a measure
  bool with_lowest;
  Chart chart;
  Extent extent, steps;
  std::string legend;

  // The matrix that the layer uses, and A where that was not measured.
  char letter(const RunInput& run) const { return run.monitored.front().refined.of(values).empty() ? 'A' : 'B'; }

  void add(const RunInput& run, int index) {
    if (run.monitored.empty()) return;
    const char which = letter(run);
    std::vector<Point> means, lows;
    for (const auto& point : run.monitored) {
      const Layers& layers = (which == 'A' ? point.raw : point.refined).of(values);
      if (layers.empty() || std::isnan(mean(layers))) continue;
      const auto step = static_cast<double>(point.step);
      means.push_back({step, mean(layers), ""});
      lows.push_back({step, lowest(layers), ""});
      steps.add(step);
      extent.add(means.back().y);
      if (with_lowest) extent.add(lows.back().y);
    }
    if (means.empty()) return;
    const std::string name = concat(run.name, ", ", which);
    const Look look = means.size() > 1 ? Look::line : Look::marked;  // a single look is no line
    chart.description +=
        concat(name, ", mean of all heads: from ", fixed(means.front().y, 3), " at step ", coordinate(means.front().x),
               " to ", fixed(means.back().y, 3), " at step ", coordinate(means.back().x), ". ");
    legend += legend_entry(index, look, name + ", mean of all heads");
    if (with_lowest) {
      chart.series.push_back({name + ", lowest head", index, Look::dashed, std::move(lows)});
      legend += legend_entry(index, Look::dashed, name + ", lowest head");
    }
    chart.series.push_back({name + ", mean of all heads", index, look, std::move(means)});
  }

  std::string draw(const std::vector<RunInput>& runs, double least, const std::string& caption) {
    for (size_t i = 0; i < runs.size(); ++i) add(runs[i], static_cast<int>(i));
    if (extent.empty) return "";
    chart.x_title = "step";
    chart.x_ticks = round_ticks({0, steps.high}, 5);
    chart.y_ticks = extent.ticks(least, 5);
    chart.y_digits = digits_for(chart.y_ticks);
    return figure(chart, legend, caption);
  }
};

}  // namespace

std::string monitor_figure(const std::vector<RunInput>& runs) {
  MonitorChart entropy{"attention_entropy", true, {}, {}, {}, ""};
  entropy.chart.id = "monitored-entropy";
  entropy.chart.title = "Attention entropy while training";
  entropy.chart.y_title = "nats";
  MonitorChart gtd{"gtd", false, {}, {}, {}, ""};
  gtd.chart.id = "monitored-gtd";
  gtd.chart.title = "Global token dependency while training";
  gtd.chart.y_title = "GTD, between 0 and 1";
  const std::string charts =
      entropy.draw(
          runs, 0.2,
          "On the same validation rows at every look. A head with an entropy near 0 looks at one key: a neighbour, "
          "as heads of position do, or the same for all tokens, which is collapse.") +
      gtd.draw(runs, 0.05, "Estimated from random vectors; its standard errors are in metrics.jsonl.");
  return charts.empty() ? "" : "<div class='pair'>\n" + charts + "</div>\n";
}

}  // namespace saobp::report
