// The files of configs/tasks, which the program carries (cmake/Tasks.cmake).
#pragma once

#include <map>
#include <string>

namespace saobp::tasks {

// Texts by the files' names without .json.
const std::map<std::string, const char*>& built_in_tasks();

// Null where there is no such task.
inline const char* built_in(const std::string& name) {
  const auto found = built_in_tasks().find(name);
  return found == built_in_tasks().end() ? nullptr : found->second;
}

}  // namespace saobp::tasks
