#include "saobp/report/figures.h"

#include <algorithm>
#include <set>

#include "saobp/report/figure_parts.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Look = Series::Look;

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
  if (out.back().x != points.back().x) out.push_back(points.back());
  return out;
}

int64_t window_for(const RunInput& run) {
  return std::max<int64_t>(1, static_cast<int64_t>(run.train_loss.size()) / 20);
}

// The losses of all runs from a step on.
struct LossChart {
  Chart chart;
  Extent extent;
  std::string legend;
  std::vector<Series> front;

  void add(const RunInput& run, int index) {
    const double from = chart.x_ticks.front();
    std::vector<Point> raw, smooth, validation;
    const auto values = smoothed(run.train_loss, window_for(run));
    for (size_t i = 0; i < values.size(); ++i) {
      const auto step = static_cast<double>(run.train_loss[i].step);
      if (step < from) continue;
      raw.push_back({step, run.train_loss[i].value, ""});
      smooth.push_back({step, values[i], ""});
      extent.add(values[i]);
    }
    for (const auto& point : run.validation_loss) {
      if (static_cast<double>(point.step) < from) continue;
      validation.push_back(
          {static_cast<double>(point.step), point.value,
           concat(run.name, ", validation at step ", grouped(point.step), ": ", fixed(point.value, 4))});
      extent.add(point.value);
    }
    const auto describe = [&](const char* what, const std::vector<Point>& points) {
      chart.description +=
          concat(run.name, ": ", what, " from ", fixed(points.front().y, 3), " at step ", coordinate(points.front().x),
                 " to ", fixed(points.back().y, 3), " at step ", coordinate(points.back().x), ". ");
    };
    const Look training = smooth.size() > 1 ? Look::line : Look::marked;  // a single value is no line
    if (!smooth.empty()) {
      legend += legend_entry(index, training, run.name + ", training");
      describe("smoothed training loss", smooth);
    }
    if (!validation.empty()) {
      legend += legend_entry(index, Look::hollow, run.name + ", validation");
      describe("validation loss", validation);
    }
    chart.series.push_back({"", index, Look::faint, thinned(raw, 400)});
    front.push_back({run.name + ", training loss, smoothed", index, training, thinned(smooth, 400)});
    front.push_back({run.name + ", validation loss", index, Look::hollow, validation});
  }
};

// Empty where nothing was logged.
std::string loss_chart(const std::vector<RunInput>& runs, const std::string& id, const std::string& title, Range steps,
                       const std::string& caption) {
  LossChart out;
  out.chart.id = id;
  out.chart.title = title;
  out.chart.x_title = "step";
  const bool of_tasks = std::all_of(runs.begin(), runs.end(), [](const RunInput& run) { return !run.tasks.empty(); });
  out.chart.y_title = of_tasks ? "loss per example" : "nats per predicted token";
  out.chart.x_ticks = round_ticks(steps, 5);
  for (size_t i = 0; i < runs.size(); ++i) out.add(runs[i], static_cast<int>(i));
  if (out.extent.empty) return "";
  out.chart.series.insert(out.chart.series.end(), out.front.begin(), out.front.end());
  out.chart.y_ticks = out.extent.ticks(0.1, 6);
  out.chart.y_digits = digits_for(out.chart.y_ticks);
  return figure(out.chart, out.legend, caption);
}

std::string smoothing_caption(const std::vector<RunInput>& runs) {
  std::set<int64_t> windows;
  for (const auto& run : runs)
    if (!run.train_loss.empty()) windows.insert(window_for(run));
  if (windows.empty()) return "";
  std::string sizes;
  for (const auto window : windows) sizes += (sizes.empty() ? "" : " and ") + grouped(window);
  return " Bold lines: training loss as an exponential mean over about " + sizes +
         (sizes == "1" ? " logged value" : " logged values") + "; pale lines: as logged.";
}

}  // namespace

std::vector<double> smoothed(const std::vector<LossPoint>& points, int64_t window) {
  const double keep = 1 - 2.0 / (static_cast<double>(window) + 1);
  std::vector<double> out;
  long double sum = 0, weight = 0;  // in which no sum of doubles overflows
  for (const auto& point : points) {
    sum = keep * sum + point.value;
    weight = keep * weight + 1;
    out.push_back(static_cast<double>(sum / weight));
  }
  return out;
}

std::string loss_figure(const std::vector<RunInput>& runs) {
  double last = 0;
  for (const auto& run : runs)
    for (const auto* points : {&run.train_loss, &run.validation_loss})
      for (const auto& point : *points) last = std::max(last, static_cast<double>(point.step));
  last = std::max(last, 1.0);
  const std::string whole =
      loss_chart(runs, "loss", "Loss", {0, last},
                 "Lower is better." + smoothing_caption(runs) + " Marks on dashes: loss on the validation text.");
  if (whole.empty()) return "<p class='missing'>Losses were not recorded.</p>\n";
  // Nothing would be seen more closely where the second half holds one value or none.
  const auto values_from = [&](const RunInput& run, double from) {
    return std::count_if(run.train_loss.begin(), run.train_loss.end(),
                         [&](const LossPoint& point) { return static_cast<double>(point.step) >= from; });
  };
  const bool late =
      std::any_of(runs.begin(), runs.end(), [&](const RunInput& run) { return values_from(run, last / 2) > 1; });
  return "<div class='pair'>\n" + whole +
         (late
              ? loss_chart(runs, "late-loss", "Loss, second half", {last / 2, last},
                           "The same curves from the middle on, with an axis of their own that does not start at zero.")
              : "") +
         "</div>\n";
}

}  // namespace saobp::report
