// What a run says of its tasks: eval/*.json, or a suite's suite.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::report {

struct LossPoint {
  int64_t step = 0;
  double value = 0;
};

// A score of the dev set, or of what is held back, while a model is fine-tuned.
struct ScoreCurve {
  std::string score;
  std::vector<LossPoint> points;
};

struct TaskRecord {
  std::string name, split;
  io::Json scores;  // of the examples (tasks::scores_of) or over seeds (recipes::summary_of)
  std::string preset = {};
  int64_t examples = 0;
};

// json[key] where it is a number.
std::optional<double> number_in(const io::Json& json, const char* key);

// By name and split; none where the folder has none. Error naming the file that is damaged.
std::vector<TaskRecord> read_tasks(const std::filesystem::path& folder);

}  // namespace saobp::report
