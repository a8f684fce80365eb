#include "saobp/report/tasks_section.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "saobp/report/html.h"
#include "saobp/scores/shown.h"

namespace saobp::report {
namespace {

using io::Json;
using Look = Series::Look;
using scores::unit_of;

// A task's examples that some run was scored on: whose scores may stand side by side.
struct Place {
  std::string task, split, preset;
  int64_t examples = 0;
  auto operator<=>(const Place&) const = default;
};

Place place_of(const TaskRecord& task) { return {task.name, task.split, task.preset, task.examples}; }

// "wikitext, test, harness", and of how many examples where that is not the same of all.
std::string in_words(const Place& place, const std::set<Place>& places) {
  const auto others = std::count_if(places.begin(), places.end(), [&](const Place& other) {
    return other.task == place.task && other.split == place.split && other.preset == place.preset;
  });
  return concat(place.task, ", ", place.split, place.preset.empty() ? "" : ", " + place.preset,
                others > 1 ? ", " + io::counted(place.examples, "example") : "");
}

const TaskRecord* record_of(const RunInput& run, const Place& place) {
  for (const auto& task : run.tasks)
    if (place_of(task) == place) return &task;
  return nullptr;
}

// The best of the trivial baselines; nothing where there is none.
std::optional<std::pair<std::string, double>> best_baseline(const TaskRecord& task, const std::string& score) {
  std::optional<std::pair<std::string, double>> best;
  const auto baselines = task.scores.value("baselines", Json::object());
  for (const auto& [name, scores] : baselines.items())
    if (const auto value = number_in(scores, score.c_str()); value && (!best || *value > best->second))
      best = {name, *value};
  return best;
}

// "86.51 ± 1.20, sd 0.4 of 5 seeds", with ≈ where its interval covers the best baseline.
std::string written_score(const TaskRecord& task, const std::string& name) {
  const auto scores = task.scores.at("scores");
  if (!scores.contains(name)) return "";
  const double unit = unit_of(name);
  const auto& score = scores.at(name);
  const auto value = number_in(score, "value"), error = number_in(score, "standard_error"),
             deviation = number_in(score, "standard_deviation");
  if (!value) return "undefined";
  std::string text = fixed(unit * *value, 2);
  if (error) text += " ± " + fixed(unit * *error, 2);
  if (deviation) text += concat(", sd ", fixed(unit * *deviation, 2), " of ", score.at("values").size(), " seeds");
  const auto baseline = best_baseline(task, name);
  const bool covers = baseline && error && *value - 2 * *error <= baseline->second;
  return text + (covers ? " ≈" : "");
}

Table score_table(const std::vector<RunInput>& runs, const std::set<Place>& places) {
  Table table{
      .id = "scores",
      .columns = {{"Task", false}, {"Score", false}, {"Best baseline", false}},
      .note =
          "Points; ± is the standard error over examples, sd the standard deviation over seeds. ≈ marks a score "
          "that is no better than the best trivial baseline, within two standard errors."};
  for (const auto& run : runs) table.columns.push_back({run.name});
  for (const auto& place : places) {
    std::vector<std::string> names;
    for (const auto& run : runs) {
      const auto* task = record_of(run, place);
      if (!task) continue;
      for (const auto& [name, score] : task->scores.at("scores").items())
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    for (const auto& name : names) {
      Row row{{in_words(place, places), name, "–"}};
      std::optional<std::pair<std::string, double>> best;
      for (const auto& run : runs) {
        const auto* task = record_of(run, place);
        row.cells.push_back(task ? written_score(*task, name) : "");
        if (task && !best) best = best_baseline(*task, name);
      }
      if (best) row.cells[2] = concat(fixed(unit_of(name) * best->second, 2), " (", best->first, ")");
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

std::string y_title(const std::string& score) { return unit_of(score) == 100 ? "points" : score; }

// The headline score of a run while it was fine-tuned.
std::vector<Chart> learning_curves(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::vector<std::string> names;
  for (const auto& run : runs)
    for (const auto& curve : run.score_curves)
      if (std::find(names.begin(), names.end(), curve.score) == names.end()) names.push_back(curve.score);
  std::vector<Chart> charts;
  for (const auto& name : names) {
    Chart chart{
        .id = "curve-" + name,
        .title = "While fine-tuning: " + name,
        .x_title = "step",
        .y_title = y_title(name),
        .caption = "Of the dev set, or of what was held back of the training set; the axis does not start at zero."};
    add_curves(chart, runs, groups, "", Look::marked, [&](const RunInput& run, size_t) {
      std::vector<Point> points;
      for (const auto& curve : run.score_curves)
        for (const auto& point : curve.points)
          if (const double value = unit_of(name) * point.value; curve.score == name)
            points.push_back({static_cast<double>(point.step), value,
                              concat(run.name, ", step ", grouped(point.step), ": ", fixed(value, 2))});
      return points;
    });
    if (fit_axes(chart, {.least = 1, .x_from_zero = true})) charts.push_back(std::move(chart));
  }
  return charts;
}

// The number that a value of a group stands for: hops, or the most tokens of "33-64".
std::optional<double> number_of(const std::string& value) {
  const auto dash = value.find('-');
  const auto text = dash == std::string::npos ? value : value.substr(dash + 1);
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return {};
  return std::stod(text);
}

// The headline score of one task by the values of a group: hops, length, source.
class GroupView {
 public:
  GroupView(const std::vector<RunInput>& runs, const Place& place, const std::string& group)
      : place_(place), group_(group), by_(group == "length" ? "tokens" : group) {
    for (size_t i = 0; i < runs.size(); ++i) {
      const auto* task = record_of(runs[i], place);
      const auto groups = task ? task->scores.value("groups", Json::object()) : Json::object();
      if (!groups.contains(group)) continue;
      of_run_.push_back({i, runs[i].name, groups.at(group)});
      for (const auto& [value, part] : groups.at(group).items()) {
        if (score_.empty() && !part.at("scores").empty()) score_ = part.at("scores").items().begin().key();
        if (std::find(values_.begin(), values_.end(), value) == values_.end()) values_.push_back(value);
      }
    }
    counts_ =
        std::all_of(values_.begin(), values_.end(), [](const auto& value) { return number_of(value).has_value(); });
    if (counts_)
      std::sort(values_.begin(), values_.end(),
                [](const auto& a, const auto& b) { return number_of(a).value_or(0) < number_of(b).value_or(0); });
  }

  bool empty() const { return score_.empty() || values_.size() < 2; }

  std::string table() const {
    std::string out = "<div class='scroll' tabindex='0'><table><thead><tr><th scope='col'>" + escape(by_) +
                      "</th><th scope='col' class='number'>examples</th>";
    for (const auto& run : of_run_) out += "<th scope='col' class='number'>" + escape(run.name) + "</th>";
    out += "</tr></thead>\n<tbody>\n";
    for (const auto& value : values_) {
      std::string cells, examples = "–";
      for (const auto& run : of_run_) {
        cells += "<td class='number'>" + (run.parts.contains(value) ? escape(written(run.parts.at(value))) : kAbsent) +
                 "</td>";
        if (run.parts.contains(value)) examples = grouped(run.parts.at(value).at("examples").get<int64_t>());
      }
      out +=
          "<tr><th scope='row'>" + escape(value) + "</th><td class='number'>" + examples + "</td>" + cells + "</tr>\n";
    }
    return out + "</tbody></table></div>\n";
  }

  // None where the group's values are no numbers.
  std::optional<Chart> chart(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) const {
    if (!counts_) return {};
    Chart chart{.id = concat("group-", place_.task, "-", place_.split, place_.preset.empty() ? "" : "-", place_.preset,
                             "-", group_),
                .title = concat(place_.task, ", ", place_.split, ": ", score_, " by ", by_),
                .x_title = by_,
                .y_title = y_title(score_),
                .caption = group_ == "length" ? "Each mark stands at the most tokens of its stretch." : ""};
    add_curves(chart, runs, groups, "", Look::marked, [&](const RunInput& run, size_t index) {
      std::vector<Point> points;
      for (const auto& of : of_run_)
        for (const auto& value : values_)
          if (of.index == index && of.parts.contains(value))
            if (const auto number = score_in(of.parts.at(value), "value"))
              points.push_back({*number_of(value), unit_of(score_) * *number,
                                concat(run.name, ", ", by_, " ", value, ": ", written(of.parts.at(value)))});
      return points;
    });
    if (!fit_axes(chart, {.least = 2, .x_from_zero = true})) return {};
    return chart;
  }

 private:
  struct OfRun {
    size_t index;
    std::string name;
    Json parts;  // by the group's values
  };

  std::optional<double> score_in(const Json& part, const char* key) const {
    return number_in(part.at("scores").value(score_, Json()), key);
  }

  std::string written(const Json& part) const {
    const auto value = score_in(part, "value"), error = score_in(part, "standard_error");
    if (!value) return "undefined";
    return fixed(unit_of(score_) * *value, 2) + (error ? " ± " + fixed(unit_of(score_) * *error, 2) : "");
  }

  Place place_;
  std::string group_, by_, score_;
  std::vector<OfRun> of_run_;
  std::vector<std::string> values_;
  bool counts_ = false;
};

std::string groups_part(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& seeds,
                        const std::set<Place>& places, Figures& figures) {
  std::string out;
  for (const auto& place : places) {
    std::set<std::string> groups;
    for (const auto& run : runs)
      if (const auto* task = record_of(run, place); task && task->scores.contains("groups"))
        for (const auto& [group, parts] : task->scores.at("groups").items()) groups.insert(group);
    for (const auto& group : groups)
      if (const GroupView view(runs, place, group); !view.empty()) {
        auto chart = view.chart(runs, seeds);
        out += "<div>" + (chart ? figures.put(std::move(*chart)) : "") + view.table() + "</div>\n";
      }
  }
  return out.empty() ? "" : "<h3>By length and by group</h3>\n<div class='pair'>\n" + out + "</div>\n";
}

// Which class was taken for which, of each run that tells.
std::string confusion_part(const std::vector<RunInput>& runs, const std::set<Place>& places) {
  std::string out;
  for (const auto& place : places)
    for (const auto& run : runs) {
      const auto* task = record_of(run, place);
      if (!task || !task->scores.contains("confusion")) continue;
      const auto& confusion = task->scores.at("confusion");
      if (!confusion.is_object() || confusion.empty()) continue;
      std::string head = "<thead><tr><th scope='col'>gold, down; predicted, across</th>", rows;
      for (const auto& [gold, counts] : confusion.items()) {
        head += "<th scope='col' class='number'>" + escape(gold) + "</th>";
        rows += "<tr><th scope='row'>" + escape(gold) + "</th>";
        for (const auto& [predicted, count] : confusion.items())
          rows += "<td class='number'>" +
                  (counts.contains(predicted) ? escape(plain_text(counts.at(predicted))) : kAbsent) + "</td>";
        rows += "</tr>\n";
      }
      out += "<div><h3>" + escape(concat(in_words(place, places), ": ", run.name)) +
             "</h3>\n<div class='scroll' tabindex='0'><table>" + head + "</tr></thead>\n<tbody>\n" + rows +
             "</tbody></table></div></div>\n";
    }
  return out.empty() ? "" : "<h3>What was taken for what</h3>\n<div class='pair'>\n" + out + "</div>\n";
}

}  // namespace

std::string tasks_section(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups, Figures& figures,
                          Tables& tables) {
  std::set<Place> places;
  for (const auto& run : runs)
    for (const auto& task : run.tasks) places.insert(place_of(task));
  if (places.empty()) return "";
  return "<section><h2>Tasks</h2>\n" + tables.put(score_table(runs, places)) +
         figures.put(learning_curves(runs, groups)) + groups_part(runs, groups, places, figures) +
         confusion_part(runs, places) + "</section>\n";
}

}  // namespace saobp::report
