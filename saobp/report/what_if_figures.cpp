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

double number(const io::Json& row, const char* key) { return io::number_or_nan(row.value(key, io::Json())); }

// The first row is the model as it is, and elemmul has no strength: both are level lines.
void add_series(Chart& chart, const std::string& name, int colour, const std::vector<io::Json>& rows, const char* key) {
  std::vector<std::string> variants;
  double low = INFINITY, high = 0;
  for (size_t i = 1; i < rows.size(); ++i) {
    const auto variant = rows[i].at("attention").get<std::string>();
    if (std::find(variants.begin(), variants.end(), variant) == variants.end()) variants.push_back(variant);
    if (const double strength = number(rows[i], "strength"); strength > 0)
      low = std::min(low, strength), high = std::max(high, strength);
  }
  if (!(high > 0)) low = 0.1, high = 1;  // elemmul alone
  if (low == high) low = high / 2;
  for (const auto& variant : variants) {
    if (variant == "elemmul") {
      const auto row =
          std::find_if(rows.begin() + 1, rows.end(), [](const auto& r) { return r.at("attention") == "elemmul"; });
      if (const double level = number(*row, key); !std::isnan(level))
        chart.series.push_back({name + ", elemmul, which has no λ", colour, Look::line, {{low, level}, {high, level}}});
      continue;
    }
    const Look look = variant == "high" ? Look::marked : Look::hollow;
    Series series{name + ", " + variant, colour, look, {}};
    for (size_t i = 1; i < rows.size(); ++i) {
      if (rows[i].at("attention") != variant || std::isnan(number(rows[i], key))) continue;
      const double strength = number(rows[i], "strength");
      const auto errors = rows[i].value("standard_errors", io::Json::object());
      const double error = number(errors, key);
      series.points.push_back({strength, number(rows[i], key),
                               concat(series.title, " ", io::in_short(strength), ": ", fixed(number(rows[i], key), 4)),
                               std::isnan(error) ? 0 : error});
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  if (const double first = rows.empty() ? NAN : number(rows.front(), key); !std::isnan(first) && !variants.empty())
    chart.series.push_back({name + ", as it is", colour, Look::dashed, {{low, first}, {high, first}}});
}

// What GTD is read against, `idempotent` of each analysis: a line where that is the same of all.
void add_reference(Chart& chart, const std::set<double>& idempotent) {
  std::string line;
  if (idempotent.size() == 1) {
    const auto value = fixed(*idempotent.begin(), 3);
    chart.reference = Reference{*idempotent.begin(), value};
    line = concat("the line at ", value, ", ");
  }
  chart.caption = concat("Above ", line, "the value of attention that is its own square, there is often a sink, and ",
                         "GTD falls when the sink goes: higher is not better.");
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
    std::set<double> idempotent;
    for (const auto& group : groups)
      for (const size_t run : group.runs)
        for (const auto& analysis : runs[run].analyses) {
          const auto rows = io::get_or<std::vector<io::Json>>(analysis.json, "what_if", {}, analysis.source);
          const auto name = runs[run].analyses.size() > 1 ? runs[run].name + " on " + analysis.name : runs[run].name;
          add_series(chart, name, group.colour, rows, curve.key);
          if (!rows.empty()) idempotent.insert(analysis.idempotent_gtd);
        }
    if (curve.key == std::string("gtd")) add_reference(chart, idempotent);
    if (fit_axes(chart, {})) charts.push_back(std::move(chart));
  }
  return charts;
}

}  // namespace saobp::report
