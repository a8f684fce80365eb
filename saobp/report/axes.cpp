// Which axes a chart gets, and what it says in words.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "saobp/report/chart.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Look = Series::Look;

// The values that an axis has to show.
struct Extent {
  double low = 0, high = 0;
  bool empty = true;

  void add(double value) {
    if (!std::isfinite(value)) return;  // a bar that is longer than any number
    low = empty ? value : std::min(low, value);
    high = empty ? value : std::max(high, value);
    empty = false;
  }
};

}  // namespace

int digits_for(const std::vector<double>& ticks) {
  const double step = ticks[1] / 2 - ticks[0] / 2;
  return static_cast<int>(std::clamp(std::ceil(-std::log10(step) - std::log10(2.0) - 1e-9), 0.0, 4.0));
}

bool fit_axes(Chart& chart, const AxesOptions& options) {
  Extent x, y;
  double lowest = INFINITY;
  for (const auto& series : chart.series)
    for (const auto& point : series.points) {
      x.add(point.x);
      if (series.look == Look::faint) continue;
      lowest = std::min(lowest, point.y);
      y.add(point.y - point.error);
      y.add(point.y + point.error);
    }
  if (y.empty) return false;
  if (chart.reference) y.add(chart.reference->y), lowest = std::min(lowest, chart.reference->y);
  const double more = std::max(0.0, (options.least - (y.high - y.low)) / 2);  // −∞ is no more than 0
  // What is never negative needs no room below 0, though a band may reach there.
  const double low = lowest >= 0 ? std::max(0.0, y.low - more) : y.low - more;
  chart.y_ticks = round_ticks({low, std::max(low, y.high + more)}, 5);
  chart.y_digits = digits_for(chart.y_ticks);
  if (options.keep_x) return true;
  chart.x_ticks = chart.log_x ? log_ticks({x.low, x.high}) : round_ticks({options.x_from_zero ? 0 : x.low, x.high}, 5);
  return true;
}

std::string description(const Chart& chart) {
  constexpr size_t kShort = 24;
  std::string out;
  for (const auto& series : chart.series) {
    if (series.title.empty() || series.points.empty()) continue;
    const auto &first = series.points.front(), &last = series.points.back();
    if (series.look == Look::points)
      out += concat(series.title, ": ", io::counted(series.points.size(), "point"), ". ");
    else if (series.points.size() > kShort || chart.x_title == "step")
      out += concat(series.title, ": from ", fixed(first.y, 3), " at ", chart.x_title, " ", coordinate(first.x), " to ",
                    fixed(last.y, 3), " at ", chart.x_title, " ", coordinate(last.x), ". ");
    else {
      out += concat(series.title, ", by ", chart.x_title, ":");
      for (const auto& point : series.points) out += " " + fixed(point.y, 3);
      out += ". ";
    }
  }
  return out;
}

namespace {

const char* name_of(Look look) {
  static constexpr const char* kNames[] = {"line", "faint", "dashed", "marked", "hollow", "dots", "points", "band"};
  return kNames[static_cast<size_t>(look)];
}

double short_number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

}  // namespace

io::Json chart_json(const Chart& chart) {
  io::Json json = {{"id", chart.id},
                   {"title", chart.title},
                   {"x_title", chart.x_title},
                   {"y_title", chart.y_title},
                   {"integer_x", chart.integer_x},
                   {"log_x", chart.log_x},
                   {"histograms", chart.histograms}};
  json["x"] = {short_number(chart.x_ticks.front() - chart.x_margin),
               short_number(chart.x_ticks.back() + chart.x_margin)};
  json["y"] = {short_number(chart.y_ticks.front()), short_number(chart.y_ticks.back())};
  if (chart.log_x || chart.x_margin > 0)
    for (double tick : chart.x_ticks) json["x_ticks"].push_back(short_number(tick));
  if (chart.reference) json["reference"] = {{"y", short_number(chart.reference->y)}, {"label", chart.reference->label}};
  json["series"] = io::Json::array();
  for (const auto& series : chart.series) {
    io::Json one = {{"title", series.title},        {"run", series.run},      {"shape", shape_of(series.run)},
                    {"look", name_of(series.look)}, {"x", io::Json::array()}, {"y", io::Json::array()}};
    bool titles = false, errors = false;
    for (const auto& point : series.points) {
      one["x"].push_back(short_number(point.x));
      one["y"].push_back(short_number(point.y));
      titles |= !point.title.empty();
      errors |= point.error > 0;
    }
    for (const auto& point : series.points) {
      if (titles) one["text"].push_back(point.title);
      if (errors) one["error"].push_back(short_number(point.error));
    }
    json["series"].push_back(std::move(one));
  }
  return json;
}

}  // namespace saobp::report
