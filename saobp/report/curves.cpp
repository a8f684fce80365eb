#include "saobp/report/curves.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "saobp/io/words.h"
#include "saobp/report/conditions.h"

namespace saobp::report {
namespace {

using io::Json;

// What of a record tells runs apart: settings without seeds and places.
std::string identity(const RunInput& run) {
  if (!run.record.is_object()) return "";
  Json left = Json::object();
  for (const char* key : {"command", "options", "model", "keys"})
    if (run.record.contains(key)) left[key] = run.record.at(key);
  const std::function<void(Json&)> drop = [&](Json& json) {
    if (!json.is_object()) return;
    for (const char* key : {"seed", "output", "threads", "parameters"}) json.erase(key);
    for (auto& value : json) drop(value);
  };
  drop(left);
  return left.dump();
}

std::string common_start(const std::vector<std::string>& names) {
  std::string common = names.front();
  for (const auto& name : names) {
    const auto [end, other] = std::mismatch(common.begin(), common.end(), name.begin(), name.end());
    common.erase(end, common.end());
  }
  const auto strip = [&](const std::string& ends) { common.erase(common.find_last_not_of(ends) + 1); };
  strip("0123456789");
  strip("-_./ ");
  const bool of_seeds = common.ends_with("seed");
  if (of_seeds) common.erase(common.size() - 4), strip("-_./ ");
  const auto place =
      names.front().rfind('/');  // what runs that are called otherwise share is a folder's name, not theirs
  const bool place_alone = place != std::string::npos && common.size() <= place && !of_seeds;
  return common.empty() || place_alone ? names.front() + " to " + names.back() : common;
}

// Analyses of one name must be of one text and one setting, or their spread would be no spread over seeds.
bool analysed_alike(const RunInput& a, const RunInput& b) {
  for (const auto& one : a.analyses)
    for (const auto& other : b.analyses)
      if (one.name == other.name && !alike(one, other)) return false;
  return true;
}

}  // namespace

std::vector<SeedGroup> seed_groups(const std::vector<RunInput>& runs) {
  std::vector<SeedGroup> groups;
  std::map<std::string, std::vector<size_t>> known;  // groups of one identity: of other texts or settings
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto key = identity(runs[i]);
    // The very same seed twice is a run twice, not a second seed.
    const auto seed = runs[i].record.is_object() ? runs[i].record.value("seed", Json()) : Json();
    auto& alike = known[key];
    const auto joins = [&](size_t group) {
      return std::none_of(groups[group].runs.begin(), groups[group].runs.end(), [&](size_t run) {
        return runs[run].record.value("seed", Json()) == seed || !analysed_alike(runs[run], runs[i]);
      });
    };
    const auto found = key.empty() || seed.is_null() ? alike.end() : std::find_if(alike.begin(), alike.end(), joins);
    if (found != alike.end()) {
      groups[*found].runs.push_back(i);
      continue;
    }
    alike.push_back(groups.size());
    groups.push_back({runs[i].name, {i}, static_cast<int>(groups.size())});
  }
  for (auto& group : groups) {
    if (group.runs.size() < 2) continue;
    std::vector<std::string> names;
    names.reserve(group.runs.size());
    for (const size_t run : group.runs) names.push_back(runs[run].name);
    group.name = common_start(names);
  }
  // Groups whose runs are called alike are told apart by their first and last.
  std::map<std::string, int> uses;
  for (const auto& group : groups) ++uses[group.name];
  for (auto& group : groups)
    if (group.runs.size() > 1 && uses[group.name] > 1)
      group.name = runs[group.runs.front()].name + " to " + runs[group.runs.back()].name;
  return groups;
}

std::vector<Point> thinned(const std::vector<Point>& points) {
  constexpr size_t kColumns = 400;
  if (points.size() <= 2 * kColumns) return points;
  std::vector<Point> out;
  for (size_t column = 0; column < kColumns; ++column) {
    const auto first = points.begin() + static_cast<std::ptrdiff_t>(points.size() * column / kColumns);
    const auto last = points.begin() + static_cast<std::ptrdiff_t>(points.size() * (column + 1) / kColumns);
    auto [low, high] = std::minmax_element(first, last, [](const Point& a, const Point& b) { return a.y < b.y; });
    if (high < low) std::swap(low, high);
    out.push_back(*low);
    if (low != high) out.push_back(*high);
  }
  if (out.back().x != points.back().x) out.push_back(points.back());
  return out;
}

void add_curves(Chart& chart, const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                const std::string& what, Series::Look look,
                const std::function<std::vector<Point>(const RunInput&, size_t run)>& points) {
  using Look = Series::Look;
  const std::string tail = what.empty() ? "" : ", " + what;
  for (const auto& group : groups) {
    std::vector<std::vector<Point>> curves;
    for (const size_t run : group.runs)
      if (auto curve = points(runs[run], run); !curve.empty()) curves.push_back(std::move(curve));
    if (curves.empty()) continue;
    // A single value is no line.
    const Look of_mean = curves.front().size() == 1 && look == Look::line ? Look::marked : look;
    if (curves.size() == 1) {
      const auto& name = group.runs.size() == 1 ? runs[group.runs.front()].name : group.name;
      chart.series.push_back({name + tail, group.colour, of_mean, thinned(curves.front())});
      continue;
    }
    std::map<double, std::vector<double>> at;
    for (const auto& curve : curves)
      for (const auto& point : curve) at[point.x].push_back(point.y);
    Series mean{concat(group.name, tail, ", mean of ", curves.size(), " seeds"), group.colour, of_mean, {}};
    Series band{"", group.colour, Look::band, {}};
    for (const auto& [x, values] : at)
      if (values.size() == curves.size()) mean.points.push_back({x, report::mean(values)});
    mean.points = thinned(mean.points);
    for (auto& point : mean.points) {
      const auto& values = at.at(point.x);
      const double spread = deviation(values);
      point.title = concat(group.name, tail, ": ", io::in_short(point.y), ", sd ", io::in_short(spread), " over ",
                           values.size(), " seeds");
      band.points.push_back({point.x, point.y, "", spread});
    }
    for (auto& curve : curves) {
      for (auto& point : curve) point.title.clear();
      chart.series.push_back({"", group.colour, Look::faint, thinned(curve)});
    }
    if (mean.points.empty()) continue;
    chart.series.push_back(std::move(band));
    chart.series.push_back(std::move(mean));
  }
}

}  // namespace saobp::report
