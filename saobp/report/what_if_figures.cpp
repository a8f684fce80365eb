#include <algorithm>
#include <set>

#include "saobp/report/figures.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Look = Series::Look;

struct Curve {
  const char* key;
  const char* title;
  const char* y_title;
};
constexpr Curve kCurves[] = {{"loss", "Loss", "nats"},
                             {"divergence", "KL of the predictions", "nats"},
                             {"states_cosine", "Similarity of the states", "cosine"},
                             {"attention_entropy", "Attention entropy", "nats"},
                             {"sink_rate", "Sink rate", "share of heads and sequences"},
                             {"gtd", "Global token dependency", "GTD, between 0 and 1"}};

double number(const io::Json& row, const char* key) {
  return row.contains(key) && row.at(key).is_number() ? row.at(key).get<double>() : NAN;
}

// The first row is the model as it is; a variant of one point (elemmul has no strength) is a line's end at most.
void add_series(Chart& chart, const std::string& name, int colour, const std::vector<io::Json>& rows, const char* key) {
  std::vector<std::string> variants;
  double low = INFINITY, high = 0;
  for (size_t i = 1; i < rows.size(); ++i) {
    const auto variant = rows[i].at("attention").get<std::string>();
    if (std::find(variants.begin(), variants.end(), variant) == variants.end()) variants.push_back(variant);
    if (const double strength = number(rows[i], "strength"); strength > 0)
      low = std::min(low, strength), high = std::max(high, strength);
  }
  if (!(high > 0)) low = high = 1;  // elemmul alone
  for (const auto& variant : variants) {
    const Look look = variant == "high" ? Look::marked : variant == "low" ? Look::hollow : Look::points;
    Series series{name + ", " + variant, colour, look, {}};
    for (size_t i = 1; i < rows.size(); ++i) {
      if (rows[i].at("attention") != variant || std::isnan(number(rows[i], key))) continue;
      const double strength = number(rows[i], "strength"), x = strength > 0 ? strength : high;
      const auto errors = rows[i].value("standard_errors", io::Json::object());
      const double error = number(errors, key);
      series.points.push_back(
          {x, number(rows[i], key),
           concat(series.title, strength > 0 ? " " + io::in_short(strength) : "", ": ", fixed(number(rows[i], key), 4)),
           std::isnan(error) ? 0 : error});
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  if (const double first = rows.empty() ? NAN : number(rows.front(), key); !std::isnan(first) && !variants.empty())
    chart.series.push_back({name + ", as it is", colour, Look::dashed, {{low, first}, {high, first}}});
}

}  // namespace

std::vector<Chart> what_if_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::vector<Chart> charts;
  for (const auto& curve : kCurves) {
    Chart chart{.id = concat("what-if-", curve.key),
                .title = curve.title,
                .x_title = "strength λ",
                .y_title = curve.y_title,
                .integer_x = false,
                .log_x = true};
    for (const auto& group : groups)
      for (const size_t run : group.runs)
        for (const auto& analysis : runs[run].analyses) {
          const auto rows = io::get_or<std::vector<io::Json>>(analysis.json, "what_if", {}, analysis.source);
          const auto name = runs[run].analyses.size() > 1 ? runs[run].name + " on " + analysis.name : runs[run].name;
          add_series(chart, name, group.colour, rows, curve.key);
        }
    if (fit_axes(chart, {})) charts.push_back(std::move(chart));
  }
  return charts;
}

}  // namespace saobp::report
