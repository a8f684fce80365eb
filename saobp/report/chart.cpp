#include "saobp/report/chart.h"

#include <algorithm>
#include <cmath>

#include "saobp/io/error.h"
#include "saobp/io/words.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

constexpr int kPalette = 6, kRhythms = 4;  // colours and rhythms in the style sheet
constexpr int kShapes = 4;
constexpr double kLeft = 62, kRight = 26, kTop = 30, kBottom = 46;
constexpr double kHistogram = 44;  // their height, above and at the right
constexpr int kBars = 24;

struct Frame {
  double left, right, top, bottom;  // of the plotting area, in the drawing's units
  Range x, y;                       // of a logarithmic axis the logarithms
  bool log_x;
  double to_x(double value) const {
    return left + share(x, log_x ? std::log10(std::max(value, 1e-300)) : value) * (right - left);
  }
  double to_y(double value) const { return bottom - share(y, value) * (bottom - top); }
  // Where a value stands in a range, 0 to 1; one far beyond it stands a thousand charts away. Halves of doubles have
  // a difference.
  static double share(const Range& range, double value) {
    return std::clamp((value / 2 - range.low / 2) / (range.high / 2 - range.low / 2), -1000.0, 1000.0);
  }
};

Frame frame_of(const Chart& chart) {
  if (chart.x_ticks.size() < 2 || chart.y_ticks.size() < 2)
    fail("chart ", chart.id, ": ", chart.x_ticks.size(), " by ", chart.y_ticks.size(),
         " ticks; two of each are needed");
  const double room = chart.histograms ? kHistogram : 0;
  Range x{chart.x_ticks.front() - chart.x_margin, chart.x_ticks.back() + chart.x_margin};
  if (chart.log_x) x = {std::log10(chart.x_ticks.front()), std::log10(chart.x_ticks.back())};
  return {kLeft,       chart.width - kRight - room,
          kTop + room, chart.height - kBottom,
          x,           {chart.y_ticks.front(), chart.y_ticks.back()},
          chart.log_x};
}

// Runs differ by shape as well as by colour: circle, square, triangle, diamond. Six colours and four shapes make
// twelve pairs; then the shapes begin with the next one, so that 24 runs differ.
}  // namespace

int shape_of(int run) { return (run + run / (2 * kPalette)) % kShapes; }

namespace {

std::string mark(int run, double x, double y, double radius) {
  const auto c = coordinate;
  switch (shape_of(run)) {
    case 0:
      return "<circle cx='" + c(x) + "' cy='" + c(y) + "' r='" + c(radius) + "'";
    case 1:
      return "<rect x='" + c(x - radius * 0.9) + "' y='" + c(y - radius * 0.9) + "' width='" + c(radius * 1.8) +
             "' height='" + c(radius * 1.8) + "'";
    case 2:
      return "<path d='M" + c(x) + " " + c(y - radius * 1.2) + "l" + c(radius * 1.15) + " " + c(radius * 2) + "h" +
             c(-radius * 2.3) + "z'";
    default:
      return "<path d='M" + c(x) + " " + c(y - radius * 1.3) + "l" + c(radius * 1.3) + " " + c(radius * 1.3) + "l" +
             c(-radius * 1.3) + " " + c(radius * 1.3) + "l" + c(-radius * 1.3) + " " + c(-radius * 1.3) + "z'";
  }
}

const char* class_of(Series::Look look) {
  switch (look) {
    case Series::Look::faint:
      return "faint";
    case Series::Look::dashed:
      return "dashed";
    case Series::Look::hollow:
      return "hollow";
    case Series::Look::dots:
      return "dots";
    case Series::Look::marked:
      return "marked";
    case Series::Look::points:
      return "points";
    case Series::Look::band:
      return "band";
    case Series::Look::line:
      break;
  }
  return "line";
}

bool has_line(Series::Look look) {
  return look != Series::Look::dots && look != Series::Look::points && look != Series::Look::band;
}
bool has_marks(Series::Look look) {
  return look == Series::Look::marked || look == Series::Look::hollow || look == Series::Look::dots ||
         look == Series::Look::points;
}

std::string place(const Frame& frame, double x, double y) {
  return coordinate(frame.to_x(x)) + "," + coordinate(frame.to_y(y));
}

// The area between y − error and y + error.
std::string draw_band(const Series& series, const Frame& frame) {
  std::string out = "<polygon points='";
  for (const auto& point : series.points) out += place(frame, point.x, point.y + point.error) + " ";
  for (auto point = series.points.rbegin(); point != series.points.rend(); ++point)
    out += place(frame, point->x, point->y - point->error) + " ";
  return out + "'/>";
}

std::string draw_series(const Series& series, const Frame& frame) {
  std::string out = concat("<g class='series ", class_of(series.look), " ", run_classes(series.run), "'>");
  if (!series.title.empty()) out += "<title>" + escape(series.title) + "</title>";
  if (series.look == Series::Look::band) out += draw_band(series, frame);
  if (has_line(series.look) && series.points.size() > 1) {
    out += "<polyline points='";
    for (size_t i = 0; i < series.points.size(); ++i)
      out += (i ? " " : "") + place(frame, series.points[i].x, series.points[i].y);
    out += "'/>";
  }
  if (series.look != Series::Look::band)
    for (const auto& point : series.points)
      if (point.error > 0)
        out += concat("<polyline class='error' points='", place(frame, point.x, point.y - point.error), " ",
                      place(frame, point.x, point.y + point.error), "'/>");
  if (has_marks(series.look))
    for (const auto& point : series.points) {
      out += mark(series.run, frame.to_x(point.x), frame.to_y(point.y), series.look == Series::Look::dots ? 2.4 : 4.2);
      out += point.title.empty() ? "/>"
                                 : "><title>" + escape(point.title) + "</title></" +
                                       (shape_of(series.run) == 0   ? "circle"
                                        : shape_of(series.run) == 1 ? "rect"
                                                                    : "path") +
                                       ">";
    }
  return out + "</g>\n";
}

std::string horizontal(const Frame& frame, double value, const char* css) {
  const std::string y = coordinate(frame.to_y(value));
  return concat("<line class='", css, "' x1='", coordinate(frame.left), "' x2='", coordinate(frame.right), "' y1='", y,
                "' y2='", y, "'/>");
}

std::string draw_axes(const Chart& chart, const Frame& frame) {
  std::string out;
  const auto y_labels = tick_labels(chart.y_ticks, chart.y_digits, false);
  for (size_t i = 0; i < chart.y_ticks.size(); ++i) {
    const double tick = chart.y_ticks[i];
    out += horizontal(frame, tick, "grid") + "<text class='tick' text-anchor='end' x='" + coordinate(frame.left - 8) +
           "' y='" + coordinate(frame.to_y(tick) + 4) + "'>" + y_labels[i] + "</text>\n";
  }
  auto x_labels = tick_labels(chart.x_ticks, chart.integer_x ? 2 : digits_for(chart.x_ticks), chart.integer_x);
  if (chart.log_x)
    for (size_t i = 0; i < x_labels.size(); ++i) x_labels[i] = io::in_short(chart.x_ticks[i]);
  for (size_t i = 0; i < chart.x_ticks.size(); ++i)
    out += "<text class='tick' text-anchor='middle' x='" + coordinate(frame.to_x(chart.x_ticks[i])) + "' y='" +
           coordinate(frame.bottom + 20) + "'>" + x_labels[i] + "</text>\n";
  out += "<text class='axis' text-anchor='end' x='" + coordinate(frame.right) + "' y='" + coordinate(chart.height - 8) +
         "'>" + escape(chart.x_title) + "</text>";
  out += "<text class='axis' x='4' y='15'>" + escape(chart.y_title) + "</text>\n";
  return out;
}

// How many values lie in each of kBars equal stretches.
std::vector<int> counts_of(const std::vector<double>& values, const Range& range) {
  std::vector<int> counts(kBars, 0);
  for (double value : values) {
    const double share = Frame::share(range, value);
    if (share >= 0 && share <= 1) ++counts[static_cast<size_t>(std::min(share * kBars, kBars - 1.0))];
  }
  return counts;
}

// Of x above the plot and of y at its right, for each series of points.
std::string draw_histograms(const Chart& chart, const Frame& frame) {
  std::string out;
  const auto c = coordinate;
  for (const auto& series : chart.series) {
    if (series.look != Series::Look::points) continue;
    std::vector<double> xs, ys;
    for (const auto& point : series.points) xs.push_back(point.x), ys.push_back(point.y);
    out += "<g class='bars " + run_classes(series.run) + "'>";
    const auto of_x = counts_of(xs, frame.x), of_y = counts_of(ys, frame.y);
    const double most_x = std::max(1, *std::max_element(of_x.begin(), of_x.end())),
                 most_y = std::max(1, *std::max_element(of_y.begin(), of_y.end()));
    const double wide = (frame.right - frame.left) / kBars, high = (frame.bottom - frame.top) / kBars;
    for (int bar = 0; bar < kBars; ++bar) {
      const auto at = static_cast<size_t>(bar);
      if (const double height = of_x[at] / most_x * (kHistogram - 8); height > 0)
        out += "<rect x='" + c(frame.left + bar * wide) + "' width='" + c(wide) + "' y='" + c(frame.top - 4 - height) +
               "' height='" + c(height) + "'/>";
      if (const double width = of_y[at] / most_y * (kHistogram - 8); width > 0)
        out += "<rect x='" + c(frame.right + 4) + "' width='" + c(width) + "' y='" +
               c(frame.bottom - (bar + 1) * high) + "' height='" + c(high) + "'/>";
    }
    out += "</g>\n";
  }
  return out;
}

}  // namespace

std::string render_chart(const Chart& chart) {
  const Frame frame = frame_of(chart);
  std::string out = "<svg role='img' aria-labelledby='" + chart.id + "-title " + chart.id + "-desc' viewBox='0 0 " +
                    coordinate(chart.width) + " " + coordinate(chart.height) + "'>\n";
  out += "<title id='" + chart.id + "-title'>" + escape(chart.title) + "</title>";
  out += "<desc id='" + chart.id + "-desc'>" + escape(description(chart)) + "</desc>\n";
  out += draw_axes(chart, frame);
  // Marks at the edge may stick out by their radius; lines beyond the axes (single noisy steps) are cut there.
  out += "<clipPath id='" + chart.id + "-clip'><rect x='" + coordinate(frame.left - 6) + "' y='" +
         coordinate(frame.top - 6) + "' width='" + coordinate(frame.right - frame.left + 12) + "' height='" +
         coordinate(frame.bottom - frame.top + 12) + "'/></clipPath>\n";
  if (chart.reference) {
    out += horizontal(frame, chart.reference->y, "reference");
    out += "<text class='tick reference-label' x='" + coordinate(frame.left + 4) + "' y='" +
           coordinate(frame.to_y(chart.reference->y) - 6) + "'>" + escape(chart.reference->label) + "</text>\n";
  }
  out += "<g clip-path='url(#" + chart.id + "-clip)'>\n";
  for (const auto& series : chart.series) out += draw_series(series, frame);
  return out + "</g>" + (chart.histograms ? draw_histograms(chart, frame) : "") + "</svg>\n";
}

std::string run_classes(int run) {
  const int round = run / kPalette;
  return concat("run-", run % kPalette, round > 0 ? concat(" rhythm-", 1 + (round - 1) % (kRhythms - 1)) : "");
}

std::string legend_mark(int run, Series::Look look) {
  std::string out = concat("<svg class='legend-mark' aria-hidden='true' viewBox='0 0 34 14'><g class='series ",
                           class_of(look), " ", run_classes(run), "'>");
  if (look == Series::Look::band) out += "<polygon points='1,2 33,2 33,12 1,12'/>";
  if (has_line(look)) out += "<polyline points='1,7 33,7'/>";
  if (has_marks(look)) out += mark(run, 17, 7, look == Series::Look::dots ? 2.4 : 4.2) + "/>";
  return out + "</g></svg>";
}

}  // namespace saobp::report
