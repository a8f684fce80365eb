#include "saobp/data/records.h"

#include <algorithm>

#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/io/words.h"

namespace saobp::data {
namespace {

namespace fs = std::filesystem;

template <class Values>
auto find_in(const Values& values, std::string_view name) -> decltype(&values.front().second) {
  for (const auto& [known, value] : values)
    if (known == name) return &value;
  return nullptr;
}

template <class Values>
std::vector<std::string> names_of(const Values& values) {
  std::vector<std::string> names;
  names.reserve(values.size());
  for (const auto& [name, value] : values) names.push_back(name);
  return names;
}

std::string in_line(const fs::path& path, uint64_t line) { return concat(path.string(), ", line ", line); }

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Calls use(line, number) for each line, without CR or LF, the last one also where no LF ends it; numbers from 1.
template <class Use>
void each_line(std::string_view text, Use&& use) {
  for (uint64_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    use(line, number);
  }
}

std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> columns;
  for (;;) {
    const auto tab = line.find('\t');
    columns.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return columns;
    line.remove_prefix(tab + 1);
  }
}

// Calls use(name) for the names in "a/b/c" until it says true.
template <class Use>
bool any_name(std::string_view names, Use&& use) {
  for (;;) {
    const auto slash = names.find('/');
    if (use(names.substr(0, slash))) return true;
    if (slash == std::string_view::npos) return false;
    names.remove_prefix(slash + 1);
  }
}

bool is_one_of(std::string_view column, std::string_view names) {
  return any_name(names, [&](std::string_view name) { return name == column; });
}

void require_columns(const std::vector<std::string>& columns, const std::vector<std::string>& needed,
                     const fs::path& path) {
  for (const auto& names : needed)
    if (std::none_of(columns.begin(), columns.end(),
                     [&](const std::string& column) { return is_one_of(column, names); }))
      fail(path.string(), ": its header has the columns ", io::listed(columns, "and"), "; \"", names,
           "\" was expected: is it the file of another split or task?");
}

void require_no_mark(std::string_view line, const std::string& where) {
  if (line.starts_with(kByteOrderMark))
    fail(where,
         ": begins with a byte order mark, which belongs at the start of a file: were several files put together?");
}

Record record_of(const io::Json& object, const std::string& where) {
  if (!object.is_object()) fail(where, ": is ", io::type_name(object), "; an object was expected");
  Record record{where};
  for (const auto& [name, value] : object.items()) {
    if (value.is_string()) record.fields.emplace_back(name, value.get<std::string>());
    if (value.is_number() || value.is_boolean()) record.fields.emplace_back(name, value.dump());
    const auto is_text = [](const io::Json& item) { return item.is_string(); };
    if (value.is_array() && std::all_of(value.begin(), value.end(), is_text))
      record.lists.emplace_back(name, value.get<std::vector<std::string>>());
  }
  return record;
}

}  // namespace

const std::string* Record::field(std::string_view name) const { return find_in(fields, name); }
const std::vector<std::string>* Record::list(std::string_view name) const { return find_in(lists, name); }

const std::string& Record::require(std::string_view name) const {
  if (const auto* found = field(name)) return *found;
  fail(where, ": has no \"", name, "\"; found ", io::listed(names_of(fields), "and"));
}

const std::vector<std::string>& Record::require_list(std::string_view name) const {
  if (const auto* found = list(name)) return *found;
  fail(where, ": has no list \"", name, "\" of texts; found ",
       lists.empty() ? "no list" : io::listed(names_of(lists), "and"));
}

std::string read_text(const fs::path& path) {
  auto text = io::read_file(path);
  io::require_utf8(text, path.string());
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

const std::string* find_any(const Record& record, std::string_view names) {
  const std::string* found = nullptr;
  any_name(names, [&](std::string_view name) { return (found = record.field(name)) != nullptr; });
  return found;
}

const std::string& require_any(const Record& record, std::string_view names) {
  const auto* found = find_any(record, names);
  return found ? *found : record.require(names);
}

Records read_tsv(const fs::path& path, const std::vector<std::string>& given, const std::vector<std::string>& needed) {
  const auto text = read_text(path);
  auto names = given;
  Records found;
  uint64_t lines = 0, first_wrong = 0, wrong = 0, first_width = 0, marks = 0, first_mark = 0;
  each_line(text, [&](std::string_view line, uint64_t number) {
    require_no_mark(line, in_line(path, number));
    if (line.find(kByteOrderMark) != std::string_view::npos && ++marks == 1) first_mark = number;
    const auto columns = columns_of(line);
    if (names.empty()) {
      names.assign(columns.begin(), columns.end());
      require_columns(names, needed, path);
      return;
    }
    ++lines;
    if (columns.size() != names.size()) {
      if (++wrong == 1) first_wrong = number, first_width = columns.size();
      return;
    }
    Record record{in_line(path, number)};
    for (size_t i = 0; i < names.size(); ++i) record.fields.emplace_back(names[i], columns[i]);
    found.rows.push_back(std::move(record));
  });
  if (names.empty()) fail(path.string(), ": is empty; a line that names the columns was expected");
  if (lines == 0) fail(path.string(), ": holds no rows; ", io::listed(names, "and"), " were expected in each line");
  const auto of_wrong = concat(in_line(path, first_wrong), ": has ", io::counted(first_width, "column"), "; ",
                               names.size(), " were expected: ", io::listed(names, "and"));
  if (wrong > std::max<uint64_t>(3, lines / 20) || wrong == lines)
    fail(of_wrong, "; so are ", wrong, " of ", io::counted(lines, "line"),
         ": is it the file of another split or task?");
  if (wrong > 0) found.notes.push_back(concat(io::counted(wrong, "line"), " skipped; ", of_wrong));
  if (marks > 0)
    found.notes.push_back(concat(io::counted(marks, "line"), " with U+FEFF inside of a text, the first of them line ",
                                 first_mark, " of ", path.string(), "; taken as they are"));
  return found;
}

namespace {

void each_json_line_of(std::string_view text, const fs::path& path,
                       const std::function<void(io::Json, const std::string&)>& use) {
  each_line(text, [&](std::string_view line, uint64_t number) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) return;
    const auto where = in_line(path, number);
    require_no_mark(line, where);
    use(io::parse_json(line, where), where);
  });
}

}  // namespace

void each_json_line(const fs::path& path, const std::function<void(io::Json, const std::string&)>& use) {
  each_json_line_of(read_text(path), path, use);
}

Records read_json_records(const fs::path& path) {
  const auto text = read_text(path);
  Records found;
  if (const auto start = text.find_first_not_of(" \t\r\n"); start != std::string::npos && text[start] == '[') {
    const auto list = io::parse_json(text, path.string());
    for (size_t i = 0; i < list.size(); ++i)
      found.rows.push_back(record_of(list[i], concat(path.string(), ", item ", i)));
  } else {
    each_json_line_of(text, path, [&](const io::Json& object, const std::string& where) {
      found.rows.push_back(record_of(object, where));
    });
  }
  if (found.rows.empty()) fail(path.string(), ": holds no rows; a JSON object a line was expected");
  return found;
}

namespace {

// A question with its answer, as lm-evaluation-harness puts it before the last question of a passage; "" where the
// answer is no letter of an option.
std::string answered(const std::string& question, const std::string& letter, const std::vector<std::string>& options) {
  const auto right = static_cast<size_t>(letter.size() == 1 ? letter[0] - 'A' : -1);
  if (right >= options.size()) return "";
  if (question.ends_with("  _  .")) return concat(question.substr(0, question.size() - 5), options[right], "\n");
  return concat("Question: ", question, "\nAnswer: ", options[right], "\n");
}

}  // namespace

Records read_race(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Records found;
  for (const auto& file : files) {
    const auto source = file.string();
    const auto passage = io::parse_json(read_text(file), source);
    const auto article = io::require<std::string>(passage, "article", source);
    const auto questions = io::require<std::vector<std::string>>(passage, "questions", source),
               answers = io::require<std::vector<std::string>>(passage, "answers", source);
    const auto options = io::require<std::vector<std::vector<std::string>>>(passage, "options", source);
    if (questions.size() != answers.size() || questions.size() != options.size())
      fail(source, ": has ", io::counted(questions.size(), "question"), ", ", io::counted(options.size(), "list"),
           " of options and ", io::counted(answers.size(), "answer"), "; as many of each were expected");
    const auto id = io::get_or<std::string>(passage, "id", file.filename().string(), source);
    std::string before;
    for (size_t i = 0; i < questions.size(); ++i) {
      found.rows.push_back({concat(source, ", question ", i),
                            {{"article", article},
                             {"question", questions[i]},
                             {"answer", answers[i]},
                             {"id", id},
                             {"number", std::to_string(i)},
                             {"before", before},
                             {"last", i + 1 == questions.size() ? "true" : "false"}},
                            {{"options", options[i]}}});
      before += answered(questions[i], answers[i], options[i]);
    }
  }
  if (found.rows.empty()) fail(folder.string(), ": holds no questions; RACE's .txt files were expected");
  return found;
}

}  // namespace saobp::data
