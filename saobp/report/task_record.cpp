#include "saobp/report/task_record.h"

#include <algorithm>

#include "saobp/io/file.h"
#include "saobp/io/words.h"

namespace saobp::report {
namespace {

namespace fs = std::filesystem;
using io::Json;

TaskRecord task_of(const std::string& name, const Json& json, const std::string& where) {
  const auto settings = io::get_or<Json>(json, "settings", Json::object(), where);
  TaskRecord record{name, io::require<std::string>(json, "split", where), json};
  if (settings.is_object()) record.preset = io::get_or<std::string>(settings, "preset", "", where);
  record.examples = io::get_or<int64_t>(json, "examples", 0, where);
  const auto scores = io::get_or<Json>(json, "scores", Json::object(), where);
  if (!scores.is_object()) fail(where, ": \"scores\" is ", io::type_name(scores), "; an object was expected");
  for (const auto& [score, value] : scores.items())
    if (!value.is_object() || !value.contains("value"))
      fail(where, ": the score ", score, " is ", io::type_name(value), "; an object with a \"value\" was expected");
  const auto groups = io::get_or<Json>(json, "groups", Json::object(), where);
  for (const auto& [group, parts] : groups.items())
    for (const auto& [value, part] : parts.items()) {
      const auto place = concat(where, ": ", group, " ", value);
      io::require<int64_t>(part, "examples", place);
      const auto found = io::require<Json>(part, "scores", place);
      for (const auto& [score, each] : found.items()) io::require<Json>(each, "value", concat(place, ": ", score));
    }
  return record;
}

}  // namespace

std::optional<double> number_in(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key) || !json.at(key).is_number()) return {};
  return json.at(key).get<double>();
}

std::vector<TaskRecord> read_tasks(const fs::path& folder) {
  std::vector<TaskRecord> found;
  if (const auto suite = folder / "suite.json"; fs::exists(suite)) {
    const auto tasks = io::require<Json>(io::read_json(suite), "tasks", suite.string());
    for (const auto& [name, json] : tasks.items())
      found.push_back(task_of(name, json, concat(suite.string(), ": ", name)));
  } else if (const auto eval = folder / "eval"; fs::is_directory(eval)) {
    for (const auto& entry : fs::directory_iterator(eval)) {
      const auto& path = entry.path();
      if (path.extension() != ".json" || path.filename().string().find(".official.") != std::string::npos) continue;
      const auto json = io::read_json(path);
      found.push_back(task_of(io::require<std::string>(json, "task", path.string()), json, path.string()));
    }
  }
  std::erase_if(found, [](const TaskRecord& task) { return !task.scores.contains("scores"); });  // without labels
  std::sort(found.begin(), found.end(), [](const TaskRecord& a, const TaskRecord& b) {
    return std::tie(a.name, a.split) < std::tie(b.name, b.split);
  });
  return found;
}

}  // namespace saobp::report
