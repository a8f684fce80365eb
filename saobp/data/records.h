// Rows of a task's published files as named texts: TSV as GLUE has it, JSON lines, RACE's folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::data {

struct Record {
  std::string where;  // "FILE, line 3", for messages
  std::vector<std::pair<std::string, std::string>> fields = {};
  std::vector<std::pair<std::string, std::vector<std::string>>> lists = {};

  // Null where there is none.
  const std::string* field(std::string_view name) const;
  const std::vector<std::string>* list(std::string_view name) const;
  // Error naming the place and the names that there are.
  const std::string& require(std::string_view name) const;
  const std::vector<std::string>& require_list(std::string_view name) const;
};

// The first of the fields "a/b/c" that the record has; null where it has none.
const std::string* find_any(const Record& record, std::string_view names);
// The same. Error as require() has it.
const std::string& require_any(const Record& record, std::string_view names);

struct Records {
  std::vector<Record> rows;
  std::vector<std::string> notes;  // what was skipped or is odd, a sentence each
};

// The whole of a text file, without a byte order mark at its start. Error for what is not UTF-8.
std::string read_text(const std::filesystem::path& path);

// Calls use(value, "FILE, line 3") with the JSON value of each line that is not blank. Error with the line.
void each_json_line(const std::filesystem::path& path,
                    const std::function<void(io::Json value, const std::string& where)>& use);

// Lines of columns between tabs. Quotes are characters like any other; a byte order mark at the start and CR before LF
// do not count. `columns` names the columns of a file without a header; where it is empty the first line is one.
// `needed` are the columns that must be there, each perhaps under several names: "a/b".
//
// A line with another number of columns is skipped and counted, as the reference readers do; more than a twentieth of
// the lines (and more than three) are an Error, and so are a header without a needed column, a byte order mark at the
// start of a later line, and what is not UTF-8.
Records read_tsv(const std::filesystem::path& path, const std::vector<std::string>& columns,
                 const std::vector<std::string>& needed);

// An object a line, or one list of objects. Strings, numbers and true or false become fields, lists of strings lists;
// what is null or anything else is left out. Error with the line.
Records read_json_records(const std::filesystem::path& path);

// RACE: each file of the folder (in the order of their names) is a passage with questions. A row a question: "article",
// "question", "answer" (a letter), "id" (the file's), "number" (of the question, from 0), "before" (the passage's
// earlier questions with their answers, as lm-evaluation-harness writes them), "last" (true or false: of the passage),
// and the list "options".
Records read_race(const std::filesystem::path& folder);

}  // namespace saobp::data
