// What a report needs to know about a run, read from its folder: run.json, metrics.jsonl, analysis/*.json.
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

// One analysis/NAME.json. The metrics are [layer][head]; an empty one was not in the file.
struct MatrixMetrics {
  std::vector<std::vector<double>> attention_entropy, gtd, indirect_entropy, sparsity;
};
struct Analysis {
  std::string name;  // the file's name without .json
  std::string text;  // what was analysed
  int64_t sequences = 0, tokens = 0;
  double gtd_discount = 0.9;
  int64_t gtd_hops = 4;
  double idempotent_gtd = 0;  // b² / (1 + b²), b = Σ_{t=2..K} β^{t−1}
  MatrixMetrics raw, refined;
};

// What --monitor-every logged at a step. Only entropy and GTD are there; elemmul's B has no entropy.
struct MonitorPoint {
  int64_t step = 0;
  MatrixMetrics raw, refined;
};

struct RunInput {
  std::string name;  // the folder's name
  std::filesystem::path folder;
  io::Json record;                    // run.json as it is; null when there is none
  io::Json strengths;                 // λ of each layer or head where config.json has them; else null
  std::vector<LossPoint> train_loss;  // in the order of the file, as logged
  std::vector<LossPoint> validation_loss;
  std::vector<MonitorPoint> monitored;
  std::vector<Analysis> analyses;    // by name
  std::vector<std::string> remarks;  // what was missing or damaged, one plain sentence each
};

// Throws Error when `folder` is not a folder, holds neither run.json nor metrics.jsonl, or one of its files is damaged.
// Lines of metrics.jsonl that are no JSON, such as a last one that was cut off (the run was killed), are left out and
// remarked upon.
RunInput read_run(const std::filesystem::path& folder);

}  // namespace saobp::report
