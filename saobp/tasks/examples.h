// The examples of a split, read from a task's files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saobp/data/squad.h"
#include "saobp/tasks/task.h"

namespace saobp::tasks {

struct Example {
  std::string id;     // unique in its split
  std::string where;  // file and line, for messages
  std::string first;
  std::optional<std::string> second;
  std::vector<std::string> options;  // of a choice: the second text of each row
  int64_t label = -1;                // class or right option; −1: none is given
  double value = 0;                  // of a regression; NaN: none is given
  std::vector<std::pair<std::string, std::string>> groups;
  data::Record record;  // for prompts
  // Of a span in `second`.
  std::vector<data::Answer> answers;
  bool aligned = true;  // the first answer stands where it says: else it teaches nothing
};

struct Examples {
  std::vector<Example> list;
  bool labelled = true;
  bool may_be_impossible = false;  // some questions have no answer
  std::filesystem::path file;      // that was read, or the folder
  std::string key;                 // of its bytes
  std::vector<std::string> notes;  // what was skipped or is odd, a sentence each
};

// Where the split's files are below `data`: there, in the task's folder in there, or in one below. NotAsked naming
// what was looked for.
std::filesystem::path find_split(const Task& task, const std::string& split, const std::filesystem::path& data);
// Whether they are there at all.
bool has_split(const Task& task, const std::string& split, const std::filesystem::path& data);

// Error with file and line for a label that is not among the task's, a number out of range, an id that is there twice,
// and a split that is empty.
Examples read_examples(const Task& task, const std::string& split, const std::filesystem::path& data);

}  // namespace saobp::tasks
