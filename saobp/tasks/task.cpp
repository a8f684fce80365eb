#include "saobp/tasks/task.h"

#include <algorithm>

#include "saobp/io/fields.h"
#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/tasks/built_in.h"

namespace saobp::tasks {
namespace {

using io::Json;

Template template_of(const Json& json, const char* name, const std::string& source) {
  const auto text = io::get_or<std::string>(json, name, "", source);
  return text.empty() ? Template() : Template(text, concat(source, ": \"", name, "\""));
}

void update(Layout& layout, const Json& json, const std::string& source) {
  const auto set = [&](Template& target, const char* name) {
    if (json.contains(name)) target = template_of(json, name, source);
  };
  set(layout.id, "id"), set(layout.first, "first"), set(layout.second, "second"), set(layout.option, "option");
  layout.options = io::get_or<std::string>(json, "options", layout.options, source);
  layout.only = io::get_or<std::string>(json, "only", layout.only, source);
  layout.label = io::get_or<std::string>(json, "label", layout.label, source);
}

void require_known(const Json& json, const std::vector<std::string>& known, const char* what,
                   const std::string& source) {
  if (!json.is_object()) fail(source, ": is ", io::type_name(json), "; an object was expected");
  for (const auto& [key, value] : json.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      fail(source, ": \"", key, "\" is no setting of ", what, io::suggestion(key, known));
}

Split split_of(const Json& json, const Layout& layout, const std::string& source) {
  require_known(
      json,
      {"files", "columns", "submission", "labelled", "id", "first", "second", "option", "options", "only", "label"},
      "a split", source);
  Split split;
  split.layout = layout;
  split.files = io::require<std::vector<std::string>>(json, "files", source);
  split.columns = io::get_or<std::vector<std::string>>(json, "columns", {}, source);
  split.submission = io::get_or<std::string>(json, "submission", "", source);
  split.labelled = io::get_or<bool>(json, "labelled", true, source);
  update(split.layout, json, source);
  return split;
}

// What a task of its kind can be scored by; of a language model's any.
std::vector<std::string> scores_of_kind(const Task& task) {
  switch (task.kind) {
    case Kind::classification:
      return task.positive.empty() ? std::vector<std::string>{"accuracy", "matthews"}
                                   : std::vector<std::string>{"accuracy", "matthews", "f1"};
    case Kind::choice:
      return {"accuracy"};
    case Kind::regression:
    case Kind::similarity:
      return {"pearson", "spearman"};
    case Kind::span:
      return {"f1", "exact_match"};
    case Kind::language:
      break;
  }
  return task.scores;
}

// What would be found out only after a model was trained.
void check_task(const Task& task, const std::string& source) {
  if (task.scores.empty()) fail(source, ": \"scores\" is empty; one or more were expected");
  const auto possible = scores_of_kind(task);
  for (const auto& score : task.scores)
    if (std::find(possible.begin(), possible.end(), score) == possible.end())
      fail(source, ": \"", score, "\" is no score of a ", io::enum_name(task.kind),
           score == "f1" ? " that names no \"positive\" label" : "", "; ", io::listed(possible), " was expected");
  const auto is_label = [&](const Label& label) { return label.name == task.positive; };
  if (!task.positive.empty() && std::none_of(task.labels.begin(), task.labels.end(), is_label))
    fail(source, ": \"positive\" is \"", task.positive,
         "\"; one of the labels was expected: ", io::listed(task.label_names()));
  const bool fits = task.kind == Kind::span       ? task.format == Format::squad
                    : task.kind == Kind::language ? task.format == Format::text
                    : task.kind == Kind::choice   ? task.format == Format::records || task.format == Format::race
                                                  : task.format == Format::records;
  if (!fits)
    fail(source, ": \"format\" is \"", io::enum_name(task.format), "\", in which a ", io::enum_name(task.kind),
         " is not read");
  if (task.format != Format::records) return;
  for (const auto& [name, split] : task.splits) {
    if (split.labelled && split.layout.label.empty() && task.kind != Kind::similarity)
      fail(source, ": split \"", name,
           "\": \"label\" is missing; the column of labels, or \"labelled\": false, was expected");
    if (split.layout.options != task.options_field())
      fail(source, ": split \"", name, "\": \"options\" is not that of the other splits; the same was expected");
  }
  const auto needs = [&](const char* name, const auto& what) {
    const auto lacks = [&](const auto& split) { return what(split.second.layout).empty(); };
    if (std::any_of(task.splits.begin(), task.splits.end(), lacks))
      fail(source, ": \"", name, "\" is missing, which a ", io::enum_name(task.kind), " needs");
  };
  needs("first", [](const Layout& l) { return l.first; });
  if (task.kind == Kind::similarity) needs("second", [](const Layout& l) { return l.second; });
  if (task.kind == Kind::choice) needs("options", [](const Layout& l) { return l.options; });
  if (task.kind == Kind::choice) needs("option", [](const Layout& l) { return l.option; });
}

constexpr const char* kOfNames = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

// What a file may say; what is not in here is a slip.
const std::vector<std::string> kKnown = {
    "name",    "title",  "source",  "version", "suite", "kind",   "format", "folders",  "splits",   "id",
    "first",   "second", "option",  "options", "label", "labels", "range",  "positive", "scores",   "groups",
    "prompts", "recipe", "overlap", "presets", "about", "text",   "only",   "also",     "no_label", "heads_of"};

}  // namespace

const Split& Task::split(const std::string& name) const {
  if (const auto found = splits.find(name); found != splits.end()) return found->second;
  std::vector<std::string> names;
  names.reserve(splits.size());
  for (const auto& [known, split] : splits) names.push_back(known);
  fail_usage(title, " has no split ", name, "; ", io::listed(names), " was expected");
}

std::vector<std::string> Task::label_names() const {
  std::vector<std::string> names;
  names.reserve(labels.size());
  for (const auto& label : labels) names.push_back(label.name);
  return names;
}

int64_t Task::label_of(const std::string& value) const {
  const auto found = std::find_if(labels.begin(), labels.end(), [&](const Label& label) {
    return std::find(label.values.begin(), label.values.end(), value) != label.values.end();
  });
  return found == labels.end() ? -1 : found - labels.begin();
}

Task task_from_json(Json json, const std::string& source, const std::string& preset) {
  if (!json.is_object()) fail(source, ": is ", io::type_name(json), "; an object that describes a task was expected");
  if (!preset.empty()) {
    const auto presets = io::get_or<Json>(json, "presets", Json::object(), source);
    std::vector<std::string> names;
    for (const auto& [name, settings] : presets.items()) names.push_back(name);
    if (!presets.contains(preset))
      fail_usage("--preset: ", source, " has no preset ", preset,
                 names.empty() ? "" : concat("; ", io::listed(names), " was expected"));
    json.merge_patch(presets.at(preset));
  }
  require_known(json, kKnown, "a task", source);
  Task task;
  task.name = io::require<std::string>(json, "name", source);
  if (task.name.empty() || task.name.find_first_not_of(kOfNames) != std::string::npos)
    fail(source, ": \"name\" is \"", task.name,
         "\"; letters, digits, \"-\" and \"_\" were expected, since files are called by it");
  task.title = io::get_or<std::string>(json, "title", task.name, source);
  task.source = io::get_or<std::string>(json, "source", "", source);
  task.version = io::require<int64_t>(json, "version", source);
  task.kind = io::parse_enum<Kind>(io::require<std::string>(json, "kind", source), source + ": \"kind\"");
  task.format =
      io::parse_enum<Format>(io::get_or<std::string>(json, "format", "records", source), source + ": \"format\"");
  task.folders = io::get_or<std::vector<std::string>>(json, "folders", {task.name}, source);
  Layout layout;
  update(layout, json, source);
  const auto splits = io::require<Json>(json, "splits", source);
  for (const auto& [name, split] : splits.items())
    task.splits[name] = split_of(split, layout, concat(source, ": split \"", name, "\""));
  task.also = io::get_or<std::map<std::string, std::string>>(json, "also", {}, source);
  for (const auto& [name, split] : task.also)
    if (!task.splits.contains(split) || !task.splits.at(split).labelled)
      fail(source, ": \"also\" names ", split, ", which is no split with labels");
  task.no_label = io::get_or<std::vector<std::string>>(json, "no_label", {}, source);
  task.heads_of = io::get_or<std::vector<std::string>>(json, "heads_of", {}, source);
  const auto labels = io::get_or<Json>(json, "labels", Json::object(), source);
  for (const auto& [name, value] : labels.items())
    task.labels.push_back({name, io::convert<std::vector<std::string>>(value.is_array() ? value : Json::array({value}),
                                                                       concat(source, ": label \"", name, "\""))});
  if (task.kind == Kind::classification && task.labels.size() < 2)
    fail(source, ": has ", task.labels.size(), " labels; two or more were expected of a classification");
  if (json.contains("range")) {
    const auto range = io::require<std::vector<double>>(json, "range", source);
    if (range.size() != 2 || !(range[0] < range[1]))
      fail(source, ": \"range\" is ", json.at("range").dump(), "; the lowest and the highest label were expected");
    task.lowest = range[0], task.highest = range[1];
  }
  task.positive = io::get_or<std::string>(json, "positive", "", source);
  task.scores = io::require<std::vector<std::string>>(json, "scores", source);
  const auto groups = io::get_or<Json>(json, "groups", Json::object(), source);
  for (const auto& [name, text] : groups.items())
    task.groups[name] = Template(io::convert<std::string>(text, source), concat(source, ": group \"", name, "\""));
  const auto prompts = io::get_or<Json>(json, "prompts", Json::object(), source);
  for (const auto& [name, prompt] : prompts.items()) {
    const auto where = concat(source, ": prompt \"", name, "\"");
    require_known(prompt, {"context", "option", "clean"}, "a prompt", where);
    task.prompts[name] = {template_of(prompt, "context", where), template_of(prompt, "option", where),
                          io::get_or<std::vector<std::string>>(prompt, "clean", {}, where)};
  }
  task.overlap = io::get_or<int64_t>(json, "overlap", 128, source);
  if (json.contains("text")) io::update_fields(task.text, json.at("text"), concat(source, ": \"text\""));
  task.recipe = io::get_or<Json>(json, "recipe", Json::object(), source);
  require_known(task.recipe, {"epochs", "batch", "length", "learning_rate", "warmup_share"}, "\"recipe\"",
                source + ": \"recipe\"");
  check_task(task, source);
  task.json = std::move(json);
  return task;
}

Task find_task(const std::string& name, const std::string& preset) {
  if (const auto* text = built_in(name)) return task_from_json(io::parse_json(text, name), name, preset);
  if (const auto names = tasks_of_suite(name); !names.empty())
    fail_usage("--task: ", name, " stands for ", io::listed(names, "and"), "; one of them was expected");
  if (name.ends_with(".json")) return task_from_json(io::read_json(name), name, preset);
  fail_usage("--task: ", name, " is not known; ", io::listed(task_names()), " was expected, or the .json file of one",
             io::suggestion(name, task_names()));
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : built_in_tasks()) names.push_back(name);
  return names;
}

std::vector<std::string> tasks_of_suite(const std::string& suite) {
  std::vector<std::string> names;
  for (const auto& [name, text] : built_in_tasks())
    if (io::parse_json(text, name).value("suite", "") == suite) names.push_back(name);
  return names;
}

}  // namespace saobp::tasks
