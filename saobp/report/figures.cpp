#include "saobp/report/figures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "saobp/report/chart.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Layers = std::vector<std::vector<double>>;
using Look = Series::Look;

std::string legend_entry(int run, Look look, const std::string& label) {
  return "<span class='entry'>" + legend_mark(run, look) + escape(label) + "</span>";
}

std::string figure(const Chart& chart, const std::string& legend, const std::string& caption, const char* css) {
  return std::string("<figure class='") + css + "'><h3>" + escape(chart.title) + "</h3>\n<div class='legend'>" +
         legend + "</div>\n" + render_chart(chart) + "<figcaption>" + caption + "</figcaption></figure>\n";
}

struct Extent {
  double low = 0, high = 0;
  bool empty = true;
  void add(double value) {
    low = empty ? value : std::min(low, value);
    high = empty ? value : std::max(high, value);
    empty = false;
  }
  // Ticks over at least `least`, so that noise does not fill the chart.
  std::vector<double> ticks(double least, int count) const {
    const double more = std::max(0.0, (least - (high - low)) / 2);
    return round_ticks({low - more, high + more}, count);
  }
};

int digits_for(const std::vector<double>& ticks) {
  const double step = ticks[1] - ticks[0];
  return std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 4);
}

// At most two values (lowest and highest) for each of `columns` stretches, so that a long run stays a small page and
// keeps its spikes.
std::vector<Point> thinned(const std::vector<Point>& points, size_t columns) {
  if (points.size() <= 2 * columns) return points;
  std::vector<Point> out;
  for (size_t column = 0; column < columns; ++column) {
    const auto first = points.begin() + static_cast<std::ptrdiff_t>(points.size() * column / columns);
    const auto last = points.begin() + static_cast<std::ptrdiff_t>(points.size() * (column + 1) / columns);
    auto [low, high] = std::minmax_element(first, last, [](const Point& a, const Point& b) { return a.y < b.y; });
    if (high < low) std::swap(low, high);
    out.push_back(*low);
    if (low != high) out.push_back(*high);
  }
  return out;
}

int64_t window_for(const RunInput& run) {
  return std::max<int64_t>(1, static_cast<int64_t>(run.train_loss.size()) / 40);
}

void add_loss_series(const RunInput& run, int index, std::vector<Series>& behind, std::vector<Series>& front,
                     Extent& extent) {
  std::vector<Point> raw, smooth, validation;
  const auto values = smoothed(run.train_loss, window_for(run));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto step = static_cast<double>(run.train_loss[i].step);
    raw.push_back({step, run.train_loss[i].value, ""});
    smooth.push_back({step, values[i], ""});
    extent.add(values[i]);
  }
  for (const auto& point : run.validation_loss) {
    validation.push_back({static_cast<double>(point.step), point.value,
                          concat(run.name, ", validation at step ", grouped(point.step), ": ", fixed(point.value, 4))});
    extent.add(point.value);
  }
  behind.push_back({"", index, Look::faint, thinned(raw, 400)});
  front.push_back({run.name + ", training loss, smoothed", index, Look::line, thinned(smooth, 400)});
  front.push_back({run.name + ", validation loss", index, Look::hollow, validation});
}

}  // namespace

std::vector<double> smoothed(const std::vector<LossPoint>& points, int64_t window) {
  const double keep = 1 - 2.0 / (static_cast<double>(window) + 1);
  std::vector<double> out;
  double sum = 0, weight = 0;
  for (const auto& point : points) {
    sum = keep * sum + point.value;
    weight = keep * weight + 1;
    out.push_back(sum / weight);
  }
  return out;
}

double mean(const std::vector<double>& heads) {
  return std::accumulate(heads.begin(), heads.end(), 0.0) / static_cast<double>(heads.size());
}

double mean(const Layers& layers) {
  double sum = 0;
  for (const auto& heads : layers) sum += mean(heads);
  return sum / static_cast<double>(layers.size());
}

std::string loss_figure(const std::vector<RunInput>& runs) {
  Chart chart{.id = "loss",
              .title = "Loss",
              .description = "",
              .x_title = "step",
              .y_title = "nats per masked token",
              .width = 900,
              .height = 380,
              .x_ticks = {},
              .y_ticks = {},
              .series = {},
              .reference = {}};
  std::vector<Series> front;
  Extent extent, steps;
  std::string legend, description;
  std::set<std::string> windows;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& run = runs[i];
    add_loss_series(run, static_cast<int>(i), chart.series, front, extent);
    for (const auto* points : {&run.train_loss, &run.validation_loss})
      for (const auto& point : *points) steps.add(static_cast<double>(point.step));
    if (!run.train_loss.empty()) {
      legend += legend_entry(static_cast<int>(i), Look::line, run.name + ", training");
      windows.insert(grouped(window_for(run)));
      description += concat(run.name, ": training loss from ", fixed(run.train_loss.front().value, 3), " at step ",
                            run.train_loss.front().step, " to ", fixed(run.train_loss.back().value, 3), " at step ",
                            run.train_loss.back().step, ". ");
    }
    if (!run.validation_loss.empty()) {
      legend += legend_entry(static_cast<int>(i), Look::hollow, run.name + ", validation");
      description += concat(run.name, ": last validation loss ", fixed(run.validation_loss.back().value, 3), ". ");
    }
  }
  if (extent.empty) return "<p class='missing'>Losses were not recorded.</p>\n";
  chart.series.insert(chart.series.end(), front.begin(), front.end());
  chart.x_ticks = round_ticks({0, std::max(steps.high, 1.0)}, 6);
  chart.y_ticks = extent.ticks(0.5, 6);
  chart.y_digits = digits_for(chart.y_ticks);
  chart.description = description;
  std::string caption = "Lower is better.";
  if (!windows.empty()) {
    std::string sizes;
    for (const auto& window : windows) sizes += (sizes.empty() ? "" : " and ") + window;
    caption += " Bold lines: training loss as an exponential mean over about " + sizes +
               (sizes == "1" ? " logged value" : " logged values") + "; pale lines: as logged.";
  }
  caption += " Marks on dashes: loss on the validation text. The loss axis need not start at zero.";
  return figure(chart, legend, caption, "wide");
}

std::vector<AnalysisGroup> analysis_groups(const std::vector<RunInput>& runs) {
  std::map<std::string, AnalysisGroup> groups;
  for (size_t i = 0; i < runs.size(); ++i)
    for (const auto& analysis : runs[i].analyses) {
      auto& group = groups[analysis.name];
      group.name = analysis.name;
      group.of_run.resize(runs.size(), nullptr);
      group.of_run[i] = &analysis;
    }
  std::vector<AnalysisGroup> out;
  for (auto& [name, group] : groups) out.push_back(std::move(group));
  return out;
}

bool is_unrefined(const Analysis& analysis) {
  const auto &a = analysis.raw, &b = analysis.refined;
  return a.attention_entropy == b.attention_entropy && a.gtd == b.gtd && a.indirect_entropy == b.indirect_entropy &&
         a.sparsity == b.sparsity;
}

namespace {

struct LayerMetric {
  const char* id;
  const char* title;
  const char* y_title;
  Layers MatrixMetrics::* values;
  double least;  // smallest range of the axis
};

// Means over heads as a line, each head as a dot; the runs stand a little apart so that their dots can be told.
Chart layer_chart(const std::vector<RunInput>& runs, const AnalysisGroup& group, const LayerMetric& metric,
                  size_t group_index, Extent& extent, std::string& legend) {
  Chart chart{.id = concat(metric.id, group_index),
              .title = metric.title,
              .description = "",
              .x_title = "layer",
              .y_title = metric.y_title,
              .x_ticks = {},
              .y_ticks = {},
              .x_margin = 0.35,
              .series = {},
              .reference = {}};
  std::vector<Series> front;
  size_t layers = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    const Analysis* analysis = group.of_run[i];
    if (!analysis || (analysis->refined.*metric.values).empty()) continue;
    const int run = static_cast<int>(i);
    const double apart = 0.05 * (static_cast<double>(i) - (static_cast<double>(runs.size()) - 1) / 2);
    const auto add = [&](const Layers& values, const std::string& what, Look look) {
      Series line{runs[i].name + ", " + what, run, look, {}}, dots{"", run, Look::dots, {}};
      for (size_t layer = 0; layer < values.size(); ++layer) {
        const double x = static_cast<double>(layer) + apart;
        line.points.push_back({x, mean(values[layer]),
                               concat(runs[i].name, ", ", what, ", layer ", layer, ": ", fixed(mean(values[layer]), 4),
                                      " (mean of heads)")});
        extent.add(line.points.back().y);
        for (size_t head = 0; head < values[layer].size() && look == Look::marked; ++head) {
          dots.points.push_back({x, values[layer][head],
                                 concat(runs[i].name, ", ", what, ", layer ", layer, ", head ", head, ": ",
                                        fixed(values[layer][head], 4))});
          extent.add(values[layer][head]);
        }
      }
      layers = std::max(layers, values.size());
      chart.description += concat(line.title, ", by layer:");
      for (const auto& point : line.points) chart.description += " " + fixed(point.y, 3);
      chart.description += ". ";
      if (!dots.points.empty()) chart.series.push_back(dots);
      front.push_back(line);
      legend += legend_entry(run, look, runs[i].name + ", " + what);
    };
    if (is_unrefined(*analysis)) {
      add(analysis->refined.*metric.values, "A = B", Look::marked);
    } else {
      add(analysis->raw.*metric.values, "A", Look::hollow);
      add(analysis->refined.*metric.values, "B", Look::marked);
    }
  }
  chart.series.insert(chart.series.end(), front.begin(), front.end());
  // One layer has no axis to speak of: its neighbour's place stays empty.
  for (size_t layer = 0; layer < std::max<size_t>(layers, 2); ++layer)
    if (layers <= 12 || layer % 4 == 0) chart.x_ticks.push_back(static_cast<double>(layer));
  if (layers > 12) chart.x_margin += static_cast<double>((layers - 1) % 4);
  return chart;
}

// Nothing when all settings agree; a run that differs would have a line of its own.
const Analysis* common_settings(const AnalysisGroup& group) {
  const Analysis* first = nullptr;
  for (const Analysis* analysis : group.of_run) {
    if (!analysis) continue;
    if (!first)
      first = analysis;
    else if (first->gtd_discount != analysis->gtd_discount || first->gtd_hops != analysis->gtd_hops)
      return nullptr;
  }
  return first;
}

}  // namespace

std::string layer_figures(const std::vector<RunInput>& runs, const AnalysisGroup& group, size_t group_index) {
  std::string out = "<div class='pair'>\n";
  const std::string reading = " Lines: mean over heads; dots: single heads of B. Layers count from 0.";
  {
    const LayerMetric metric{"entropy-", "Attention entropy by layer", "nats", &MatrixMetrics::attention_entropy, 0.2};
    Extent extent;
    std::string legend;
    Chart chart = layer_chart(runs, group, metric, group_index, extent, legend);
    if (extent.empty) {
      out += "<p class='missing'>Attention entropy was not recorded.</p>\n";
    } else {
      chart.y_ticks = extent.ticks(metric.least, 5);
      chart.y_digits = digits_for(chart.y_ticks);
      out += figure(chart, legend,
                    "How widely a token looks in one step: 0 is one key only, the logarithm of the length is all keys "
                    "alike." +
                        reading,
                    "half");
    }
  }
  const LayerMetric metric{"gtd-", "Global token dependency by layer", "GTD, between 0 and 1", &MatrixMetrics::gtd,
                           0.05};
  Extent extent;
  std::string legend;
  Chart chart = layer_chart(runs, group, metric, group_index, extent, legend);
  if (extent.empty) return out + "<p class='missing'>GTD was not recorded.</p>\n</div>\n";
  std::string caption = "How much of attention goes through other tokens.";
  if (const Analysis* settings = common_settings(group)) {
    const std::string value = fixed(settings->idempotent_gtd, 3);
    extent.add(settings->idempotent_gtd);
    chart.reference = Reference{settings->idempotent_gtd, value};
    caption +=
        " The line at " + value + " (β = " + plain_text(settings->gtd_discount) +
        ", K = " + std::to_string(settings->gtd_hops) +
        ") is the value of every matrix that is its own square: all tokens on one key, each on itself, or all on "
        "all alike. Collapse and full spread both end there, so a value near it says which only together with "
        "the entropy.";
  } else {
    caption += " The analyses used different hops or discounts, so these curves are not comparable.";
  }
  chart.y_ticks = extent.ticks(metric.least, 5);
  chart.y_digits = std::max(2, digits_for(chart.y_ticks));
  return out + figure(chart, legend, caption + reading, "half") + "</div>\n";
}

}  // namespace saobp::report
