#include "saobp/report/figures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "saobp/report/figure_parts.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Look = Series::Look;

bool same_measurements(const AnalysisRecord& a, const AnalysisRecord& b) {
  return a.sequences == b.sequences && a.tokens == b.tokens && a.gtd_discount == b.gtd_discount &&
         a.gtd_hops == b.gtd_hops && a.raw == b.raw && a.refined == b.refined;
}

// Whatever a run has in `part` it has in `whole`.
bool is_part_of(const AnalysisGroup& part, const AnalysisGroup& whole) {
  for (size_t i = 0; i < part.of_run.size(); ++i)
    if (part.of_run[i] && (!whole.of_run[i] || !same_measurements(*part.of_run[i], *whole.of_run[i]))) return false;
  return true;
}

}  // namespace

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
  for (auto& [name, group] : groups) {
    const auto holds = [&, &group = group](const AnalysisGroup& other) { return is_part_of(group, other); };
    const auto held_by = [&, &group = group](const AnalysisGroup& other) { return is_part_of(other, group); };
    if (auto twin = std::find_if(out.begin(), out.end(), holds); twin != out.end()) {
      twin->same_as.push_back(name);
      continue;
    }
    if (auto part = std::find_if(out.begin(), out.end(), held_by); part != out.end()) {
      group.same_as = std::move(part->same_as);
      group.same_as.push_back(part->name);
      *part = std::move(group);
      continue;
    }
    out.push_back(std::move(group));
  }
  return out;
}

namespace {

struct LayerMetric {
  const char* id;
  const char* title;
  const char* y_title;
  const char* values;  // a measure
  double least;        // smallest range of the axis
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
    const AnalysisRecord* analysis = group.of_run[i];
    if (!analysis || analysis->refined.of(metric.values).empty()) continue;
    const int run = static_cast<int>(i);
    const double apart = 0.05 * (static_cast<double>(i) - (static_cast<double>(runs.size()) - 1) / 2);
    const auto add = [&](const Layers& values, const std::string& what, Look look) {
      Series line{runs[i].name + ", " + what, run, look, {}}, dots{"", run, Look::dots, {}};
      for (size_t layer = 0; layer < values.size(); ++layer) {
        const double x = static_cast<double>(layer) + apart;
        if (std::isnan(mean(values[layer]))) continue;
        line.points.push_back({x, mean(values[layer]),
                               concat(runs[i].name, ", ", what, ", layer ", layer, ": ", fixed(mean(values[layer]), 4),
                                      " (mean of heads)")});
        extent.add(line.points.back().y);
        for (size_t head = 0; head < values[layer].size() && look == Look::marked; ++head) {
          if (std::isnan(values[layer][head])) continue;
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
    if (analysis->is_unrefined()) {
      add(analysis->refined.of(metric.values), "A = B", Look::marked);
    } else {
      add(analysis->raw.of(metric.values), "A", Look::hollow);
      add(analysis->refined.of(metric.values), "B", Look::marked);
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
const AnalysisRecord* common_settings(const AnalysisGroup& group) {
  const AnalysisRecord* first = nullptr;
  for (const AnalysisRecord* analysis : group.of_run) {
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
    const LayerMetric metric{"entropy-", "Attention entropy by layer", "nats", "attention_entropy", 0.2};
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
                        reading);
    }
  }
  const LayerMetric metric{"gtd-", "Global token dependency by layer", "GTD, between 0 and 1", "gtd", 0.05};
  Extent extent;
  std::string legend;
  Chart chart = layer_chart(runs, group, metric, group_index, extent, legend);
  if (extent.empty) return out + "<p class='missing'>GTD was not recorded.</p>\n</div>\n";
  std::string caption = "How much of attention goes through other tokens.";
  if (const AnalysisRecord* settings = common_settings(group)) {
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
  return out + figure(chart, legend, caption + reading) + "</div>\n";
}

}  // namespace saobp::report
