#include "saobp/report/figures.h"

#include <algorithm>
#include <optional>
#include <set>

#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using Look = Series::Look;

bool is_finetuned(const RunInput& run) {
  return run.record.is_object() && run.record.value("command", io::Json()) == "finetune";
}

int64_t window_for(const RunInput& run) {
  return std::max<int64_t>(1, static_cast<int64_t>(run.train_loss.size()) / 20);
}

// The losses of all runs from a step on.
std::optional<Chart> loss_chart(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups, double from) {
  Chart chart;
  chart.x_title = "step";
  const auto of_tasks = std::count_if(runs.begin(), runs.end(), [](const RunInput& run) { return is_finetuned(run); }),
             trained = std::count_if(runs.begin(), runs.end(), [](const RunInput& run) { return run.trains(); });
  chart.y_title = of_tasks == 0         ? "nats per predicted token"
                  : of_tasks == trained ? "loss per example"
                                        : "nats per predicted token, or loss per example";
  const auto curve = [&](const std::vector<LossPoint>& logged, const std::vector<double>* values,
                         const std::string& title) {
    std::vector<Point> points;
    for (size_t i = 0; i < logged.size(); ++i)
      if (const auto step = static_cast<double>(logged[i].step); step >= from) {
        const double value = values ? (*values)[i] : logged[i].value;
        points.push_back(
            {step, value,
             title.empty() ? "" : concat(title, " at step ", grouped(logged[i].step), ": ", fixed(value, 4))});
      }
    return points;
  };
  for (const auto& group : groups)
    if (group.runs.size() == 1) {
      const auto& run = runs[group.runs.front()];
      chart.series.push_back({"", group.colour, Look::faint, thinned(curve(run.train_loss, nullptr, ""))});
    }
  add_curves(chart, runs, groups, "training loss, smoothed", Look::line, [&](const RunInput& run, size_t) {
    const auto values = smoothed(run.train_loss, window_for(run));
    return curve(run.train_loss, &values, "");
  });
  add_curves(chart, runs, groups, "validation loss", Look::hollow, [&](const RunInput& run, size_t) {
    return curve(run.validation_loss, nullptr, run.name + ", validation");
  });
  if (!fit_axes(chart, {.least = 0.1})) return {};
  return chart;
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

std::vector<Chart> loss_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  double last = 1;
  for (const auto& run : runs)
    for (const auto* points : {&run.train_loss, &run.validation_loss})
      for (const auto& point : *points) last = std::max(last, static_cast<double>(point.step));
  auto whole = loss_chart(runs, groups, 0);
  if (!whole) return {};
  whole->id = "loss", whole->title = "Loss";
  whole->caption = "Lower is better." + smoothing_caption(runs) + " Marks on dashes: loss on the validation text.";
  whole->x_ticks = round_ticks({0, last}, 5);
  std::vector<Chart> charts = {*whole};
  // Nothing would be seen more closely where the second half holds one value or none.
  const bool late = std::any_of(runs.begin(), runs.end(), [&](const RunInput& run) {
    return std::count_if(run.train_loss.begin(), run.train_loss.end(),
                         [&](const LossPoint& point) { return static_cast<double>(point.step) >= last / 2; }) > 1;
  });
  if (auto half = late ? loss_chart(runs, groups, last / 2) : std::nullopt) {
    half->id = "late-loss", half->title = "Loss, second half";
    half->caption = "The same curves from the middle on, with an axis of their own that does not start at zero.";
    half->x_ticks = round_ticks({last / 2, last}, 5);
    charts.push_back(*half);
  }
  return charts;
}

}  // namespace saobp::report
