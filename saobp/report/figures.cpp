#include "saobp/report/figures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "saobp/report/conditions.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Look = Series::Look;

bool same_measurements(const AnalysisRecord& a, const AnalysisRecord& b) {
  return a.sequences == b.sequences && a.tokens == b.tokens && a.gtd_discount == b.gtd_discount &&
         a.gtd_hops == b.gtd_hops && a.raw == b.raw && a.refined == b.refined &&
         a.json.value("correlations", io::Json()) == b.json.value("correlations", io::Json());
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
  std::set<std::string> taken;
  for (const auto& run : runs)
    for (const auto& analysis : run.analyses) taken.insert(analysis.name);
  Kinds kinds(std::move(taken));
  for (size_t i = 0; i < runs.size(); ++i)
    for (const auto& analysis : runs[i].analyses) {
      auto kind = kinds.of(analysis.name, analysis);
      auto& group = groups[kind.name];
      group.name = kind.name;
      group.apart = std::move(kind.apart);
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

// One of the group's, which were all made with the same settings.
const AnalysisRecord& one_of(const AnalysisGroup& group) {
  return **std::find_if(group.of_run.begin(), group.of_run.end(), [](const auto* analysis) { return analysis; });
}

struct LayerMetric {
  const char* id;
  const char* title;
  const char* y_title;
  const char* measure;
  const char* caption;
  double least;  // smallest range of the axis
};

constexpr LayerMetric kLayerMetrics[] = {
    {"gtd", "Global token dependency by layer", "GTD, between 0 and 1", "gtd",
     "How much of attention goes through other tokens.", 0.05},
    {"indirect-entropy", "Indirect entropy by layer", "nats", "indirect_entropy",
     "How widely a token reaches in two hops and more: the entropy of the rows of G.", 0.2},
    {"entropy", "Attention entropy by layer", "nats", "attention_entropy",
     "How widely a token looks in one step: 0 is one key only, the logarithm of the length is all keys alike.", 0.2}};

// The matrices of an analysis: B alone where nothing is refined.
struct Which {
  std::string name;
  Series::Look look;
  MatrixMeasures AnalysisRecord::* matrix;
  bool unrefined;  // of analyses in which nothing is refined, or of the others
};
const std::vector<Which>& matrices() {
  static const std::vector<Which> all = {{"A = B", Look::marked, &AnalysisRecord::refined, true},
                                         {"A", Look::hollow, &AnalysisRecord::raw, false},
                                         {"B", Look::marked, &AnalysisRecord::refined, false}};
  return all;
}

const Layers& values_of(const AnalysisRecord* analysis, const Which& which, const char* measure) {
  static const Layers none;
  return analysis && analysis->is_unrefined() == which.unrefined ? (analysis->*which.matrix).of(measure) : none;
}

// Groups that were analysed stand a little apart, so that their marks can be told.
double apart(const SeedGroup& group, const std::vector<SeedGroup>& groups, const AnalysisGroup& analyses) {
  double place = 0, all = 0;
  for (const auto& other : groups) {
    if (std::none_of(other.runs.begin(), other.runs.end(), [&](size_t run) { return analyses.of_run[run]; })) continue;
    if (&other == &group) place = all;
    ++all;
  }
  return 0.05 * (place - (all - 1) / 2);
}

const SeedGroup& group_of(size_t run, const std::vector<SeedGroup>& groups) {
  return *std::find_if(groups.begin(), groups.end(), [&](const SeedGroup& group) {
    return std::find(group.runs.begin(), group.runs.end(), run) != group.runs.end();
  });
}

// Places along an axis of layers or heads. One has no axis to speak of: its neighbour's place stays empty.
void count_along_x(Chart& chart, size_t count) {
  chart.x_margin = 0.35;
  for (size_t at = 0; at < std::max<size_t>(count, 2); ++at)
    if (count <= 12 || at % 4 == 0) chart.x_ticks.push_back(static_cast<double>(at));
  if (count > 12) chart.x_margin += static_cast<double>((count - 1) % 4);
}

// Means over heads as a line; of a run that stands alone each head of B as a dot.
Chart layer_chart(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                  const AnalysisGroup& analyses, const LayerMetric& metric) {
  Chart chart{.id = concat(metric.id, "-", analyses.name),
              .title = metric.title,
              .x_title = "layer",
              .y_title = metric.y_title,
              .caption = metric.caption};
  size_t layers = 0;
  for (const auto& which : matrices()) {
    for (const auto& group : groups) {
      if (group.runs.size() > 1 || which.look != Look::marked) continue;
      const size_t run = group.runs.front();
      const auto& values = values_of(analyses.of_run[run], which, metric.measure);
      Series dots{"", group.colour, Look::dots, {}};
      for (size_t layer = 0; layer < values.size(); ++layer)
        for (size_t head = 0; head < values[layer].size(); ++head)
          if (const double value = values[layer][head]; !std::isnan(value))
            dots.points.push_back(
                {static_cast<double>(layer) + apart(group, groups, analyses), value,
                 concat(runs[run].name, ", ", which.name, ", layer ", layer, ", head ", head, ": ", fixed(value, 4))});
      if (!dots.points.empty()) chart.series.push_back(std::move(dots));
    }
    add_curves(chart, runs, groups, which.name, which.look, [&](const RunInput& run, size_t index) {
      const auto& values = values_of(analyses.of_run[index], which, metric.measure);
      layers = std::max(layers, values.size());
      std::vector<Point> points;
      for (size_t layer = 0; layer < values.size(); ++layer)
        if (const double value = mean(values[layer]); !std::isnan(value))
          points.push_back(
              {static_cast<double>(layer) + apart(group_of(index, groups), groups, analyses), value,
               concat(run.name, ", ", which.name, ", layer ", layer, ": ", fixed(value, 4), " (mean of heads)")});
      return points;
    });
  }
  count_along_x(chart, layers);
  chart.caption += " Lines: mean over heads; dots: single heads of B. Layers count from 0.";
  return chart;
}

// The last layer's heads, of B.
Chart last_heads_chart(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                       const AnalysisGroup& analyses) {
  Chart chart{.id = "last-heads-" + analyses.name,
              .title = "Entropy of the last layer's heads",
              .x_title = "head",
              .y_title = "nats",
              .caption =
                  "Of B, head by head. The lines tell runs apart; heads of different runs have nothing to do "
                  "with each other."};
  size_t heads = 0;
  add_curves(chart, runs, groups, "", Look::marked, [&](const RunInput& run, size_t index) {
    std::vector<Point> points;
    const auto* analysis = analyses.of_run[index];
    if (!analysis || analysis->refined.of("attention_entropy").empty()) return points;
    const auto& last = analysis->refined.of("attention_entropy").back();
    heads = std::max(heads, last.size());
    for (size_t head = 0; head < last.size(); ++head)
      if (!std::isnan(last[head]))
        points.push_back(
            {static_cast<double>(head), last[head], concat(run.name, ", head ", head, ": ", fixed(last[head], 4))});
    return points;
  });
  count_along_x(chart, heads);
  return chart;
}

}  // namespace

std::vector<Chart> layer_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                                const AnalysisGroup& analyses) {
  std::vector<Chart> charts;
  for (const auto& metric : kLayerMetrics) {
    auto chart = layer_chart(runs, groups, analyses, metric);
    if (metric.measure == std::string("gtd")) {
      const auto& settings = one_of(analyses);
      const std::string value = fixed(settings.idempotent_gtd, 3);
      chart.reference = Reference{settings.idempotent_gtd, value};
      chart.caption +=
          " The line at " + value + " (β = " + plain_text(settings.gtd_discount) +
          ", K = " + std::to_string(settings.gtd_hops) +
          ") is the value of every matrix that is its own square: all tokens on one key, each on "
          "itself, or all on all alike. Heads above it often have a sink, and GTD falls when the sink goes: "
          "higher is not better, and a value near the line says which only together with the entropy.";
    }
    if (!chart.series.empty() && fit_axes(chart, {.least = metric.least, .keep_x = true}))
      charts.push_back(std::move(chart));
  }
  if (auto chart = last_heads_chart(runs, groups, analyses); fit_axes(chart, {.least = 0.2, .keep_x = true}))
    charts.push_back(std::move(chart));
  return charts;
}

}  // namespace saobp::report
