// What a run tells while it works; the command line prints it.
#pragma once

#include <functional>
#include <string>

namespace saobp::train {

struct Reporter {
  // A line worth keeping (what is trained, a validation, a checkpoint).
  std::function<void(const std::string&)> line = [](const std::string&) {};
  // Progress, which a terminal overwrites. `due` on the steps that metrics.jsonl logs.
  std::function<void(const std::string&, bool due)> progress = [](const std::string&, bool) {};
};

}  // namespace saobp::train
