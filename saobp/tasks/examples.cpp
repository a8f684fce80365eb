#include "saobp/tasks/examples.h"

#include <cmath>
#include <limits>
#include <set>
#include <unordered_map>

#include "saobp/io/file.h"
#include "saobp/io/hash.h"
#include "saobp/io/number.h"
#include "saobp/io/words.h"

namespace saobp::tasks {
namespace {

namespace fs = std::filesystem;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::string key_of(const data::Records& records) {
  io::Hash64 hash;
  const auto add = [&](std::string_view text) {
    hash.add(text);
    hash.add(std::string_view("\0", 1));
  };
  for (const auto& record : records.rows) {
    for (const auto& [name, value] : record.fields) add(name), add(value);
    for (const auto& [name, values] : record.lists) {
      add(name);
      for (const auto& value : values) add(value);
    }
  }
  return io::hexadecimal(hash.value());
}

data::Records read_records(const Task& task, const Split& split, const fs::path& path) {
  if (task.format == Format::race) return data::read_race(path);
  if (path.extension() != ".tsv") return data::read_json_records(path);
  std::vector<std::string> needed;
  for (const auto* text : {&split.layout.id, &split.layout.first, &split.layout.second})
    for (const auto& name : text->fields()) needed.push_back(name);
  if (split.labelled) needed.push_back(split.layout.label);
  return data::read_tsv(path, split.columns, needed);
}

double number_of(const std::string& text, const Task& task, const std::string& where) {
  const auto value = io::number_in<double>(text);
  if (!value || !std::isfinite(*value)) fail(where, ": \"", text, "\" was found; a number was expected");
  if (*value < task.lowest || *value > task.highest)
    fail(where, ": ", text, " was found; a number from ", task.lowest, " to ", task.highest, " was expected");
  return *value;
}

// A number from 0, or a letter from A.
int64_t option_of(const std::string& text, size_t options, const std::string& where) {
  const bool letter = text.size() == 1 && text[0] >= 'A' && text[0] <= 'Z';
  const int64_t option = letter ? text[0] - 'A' : io::number_in<int64_t>(text).value_or(-1);
  if (option < 0 || option >= static_cast<int64_t>(options))
    fail(where, ": the right option is \"", text, "\"; one of ", options, " was expected");
  return option;
}

void set_label(Example& example, const Task& task, const std::string& text) {
  switch (task.kind) {
    case Kind::regression:
    case Kind::similarity:
      example.value = number_of(text, task, example.where);
      return;
    case Kind::choice:
      example.label = option_of(text, example.options.size(), example.where);
      return;
    case Kind::classification:
    case Kind::span:
    case Kind::language:
      break;
  }
  example.label = task.label_of(text);
  if (example.label >= 0) return;
  std::vector<std::string> known;
  for (const auto& label : task.labels) known.insert(known.end(), label.values.begin(), label.values.end());
  fail(example.where, ": the label \"", text, "\" is not among those of ", task.title, "; ", io::listed(known),
       " was expected");
}

Example example_of(const Task& task, const Split& split, data::Record record, size_t number) {
  const auto& layout = split.layout;
  Example example;
  example.where = record.where;
  example.id = layout.id.fill(record);
  if (example.id.empty()) example.id = std::to_string(number);
  example.first = layout.first.fill(record);
  if (!layout.second.empty()) example.second = layout.second.fill(record);
  if (task.kind == Kind::choice) {
    for (const auto& option : record.require_list(layout.options))
      example.options.push_back(layout.option.fill(record, option));
    if (example.options.size() < 2)
      fail(example.where, ": has ", io::counted(example.options.size(), "option"), "; two or more were expected");
  }
  example.value = kNone;
  if (split.labelled) set_label(example, task, data::require_any(record, layout.label));
  for (const auto& [name, text] : task.groups) example.groups.emplace_back(name, text.fill(record));
  example.record = std::move(record);
  return example;
}

// Questions that teach nothing are counted; many in what is trained on mean that the file, or this reader, is wrong.
void read_questions(const Split& split, bool to_train, Examples& examples) {
  auto squad = data::read_squad(examples.file, split.labelled);
  examples.key = squad.key;
  examples.labelled = split.labelled;
  examples.may_be_impossible = squad.may_be_impossible;
  std::vector<std::string> askew;
  for (auto& question : squad.questions) {
    Example example;
    example.id = question.id;
    example.where = concat(examples.file.string(), ", question ", question.id);
    example.first = std::move(question.question);
    example.second = *question.context;
    example.answers = std::move(question.answers);
    example.aligned = question.aligned;
    if (!question.aligned) askew.push_back(question.id);
    examples.list.push_back(std::move(example));
  }
  if (askew.empty()) return;
  if (to_train && askew.size() > std::max<size_t>(3, squad.questions.size() / 20))
    fail(examples.file.string(), ": of ", askew.size(), " of ", io::counted(squad.questions.size(), "question"),
         " the answer does not stand where \"answer_start\" says, first of ", askew.front(),
         "; it counts code points of the context");
  constexpr size_t kShown = 3;
  const std::vector<std::string> shown(askew.begin(),
                                       askew.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, askew.size())));
  examples.notes.push_back(
      concat("of ", io::counted(askew.size(), "question"), " the answer does not stand where \"answer_start\" says, ",
             to_train ? "so that they are not trained on: " : "which no score goes by: ", io::listed(shown, "and"),
             askew.size() > kShown ? " …" : ""));
}

// A test set has no labels: a file with their column is another split's, whose labels would be passed over.
void require_no_labels(const Task& task, const std::string& split, const data::Records& records, const fs::path& file) {
  const auto& names = task.split(split).layout.label;
  const auto* label = records.rows.empty() ? nullptr : data::find_any(records.rows.front(), names);
  if (label && !label->empty() && *label != "-1")  // which stand for none
    fail(file.string(), ": has labels (\"", names, "\", first of them ", *label, "), and the split ", split, " of ",
         task.title, " has none: is it the file of another split or task?");
}

// Whether the file says of an example that it has no label.
bool is_none(const Task& task, const std::string* label) {
  return label && std::find(task.no_label.begin(), task.no_label.end(), *label) != task.no_label.end();
}

void read_documents(const Task& task, Examples& examples) {
  const auto text = data::read_text(examples.file);
  io::Hash64 hash;
  hash.add(text);
  examples.key = io::hexadecimal(hash.value());
  for (const auto document : documents_of(text, task.text.documents)) {
    Example example;
    example.id = std::to_string(examples.list.size());
    example.where = concat(examples.file.string(), ", document ", examples.list.size());
    example.first = std::string(document);
    examples.list.push_back(std::move(example));
  }
  if (examples.list.empty()) fail(examples.file.string(), ": holds no text");
}

std::optional<fs::path> file_below(const Task& task, const Split& split, const fs::path& data) {
  std::vector<fs::path> places = {data};
  for (const auto& folder : task.folders) places.push_back(data / folder);
  std::vector<fs::path> below;
  for (const auto& entry : fs::directory_iterator(data))
    if (entry.is_directory()) below.push_back(entry.path());
  std::sort(below.begin(), below.end());
  for (const auto& parent : below)
    for (const auto& folder : task.folders) places.push_back(parent / folder);
  for (const auto& file : split.files)
    for (const auto& place : places)
      if (fs::exists(place / file)) return place / file;
  return {};
}

}  // namespace

fs::path find_split(const Task& task, const std::string& name, const fs::path& data) {
  const auto& split = task.split(name);
  if (task.format == Format::text && fs::is_regular_file(data)) return data;
  if (!fs::exists(data)) fail(data.string(), ": is missing; the files of ", task.title, " were expected");
  if (!fs::is_directory(data))
    throw NotAsked(concat(data.string(), ": is not a folder; the files of ", task.title, " were expected"));
  if (auto found = file_below(task, split, data)) return *found;
  throw NotAsked(concat(data.string(), ": has no ", io::listed(split.files), " of ", task.title,
                        ", nor have folders in it called ", io::listed(task.folders)));
}

bool has_split(const Task& task, const std::string& name, const fs::path& data) {
  return fs::is_directory(data) && file_below(task, task.split(name), data);
}

Examples read_examples(const Task& task, const std::string& name, const fs::path& data) {
  Examples examples;
  examples.file = find_split(task, name, data);
  if (task.format == Format::text) {
    read_documents(task, examples);
    return examples;
  }
  const auto& split = task.split(name);
  if (task.format == Format::squad) {
    read_questions(split, name == "train", examples);
    return examples;
  }
  auto records = read_records(task, split, examples.file);
  if (!split.labelled && task.format == Format::records) require_no_labels(task, name, records, examples.file);
  examples.key = key_of(records);
  examples.notes = std::move(records.notes);
  examples.labelled = split.labelled;
  std::unordered_map<std::string, size_t> seen;
  size_t again = 0;
  size_t left_out = 0, without_label = 0, with_same_options = 0;
  for (auto& record : records.rows) {
    if (!split.layout.only.empty() && record.require(split.layout.only) != "true") {
      ++left_out;
      continue;
    }
    if (split.labelled && is_none(task, data::find_any(record, split.layout.label))) {
      ++without_label;
      continue;
    }
    auto example = example_of(task, split, std::move(record), examples.list.size());
    const auto [found, is_new] = seen.emplace(example.id, examples.list.size());
    if (!is_new) {
      ++again;
      example.id = concat(example.id, "#", examples.list.size());
    }
    const std::set<std::string> options(example.options.begin(), example.options.end());
    with_same_options += options.size() < example.options.size();
    examples.list.push_back(std::move(example));
  }
  if (examples.list.empty() && without_label > 0)
    fail(examples.file.string(), ": no example is left: the label of all is one of ", io::listed(task.no_label, "or"));
  if (without_label > 0)
    examples.notes.push_back(
        concat(io::counted(without_label, "example"), " left out, whose label is ", io::listed(task.no_label, "or")));
  if (examples.list.empty())
    fail(examples.file.string(), ": no example is left: \"", split.layout.only, "\" is true of none of ", left_out);
  if (left_out > 0)
    examples.notes.push_back(concat(io::counted(left_out, "example"), " left out: \"", split.layout.only,
                                    "\" is not true of ", left_out == 1 ? "it" : "them"));
  if (again > 0)
    examples.notes.push_back(concat(io::counted(again, "example has", "examples have"),
                                    " an id that was there before; the row's number was put behind it"));
  if (with_same_options > 0)
    examples.notes.push_back(concat(io::counted(with_same_options, "example has", "examples have"),
                                    " an option that is there twice; the right one is that of the file"));
  return examples;
}

}  // namespace saobp::tasks
