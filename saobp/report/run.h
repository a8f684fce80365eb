// What a report needs to know about a run, read from its folder: run.json, metrics.jsonl, analysis/*.json, eval/*.json;
// or about the runs of a suite, from its suite.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/report/analysis_record.h"
#include "saobp/report/task_record.h"

namespace saobp::report {

// What --monitor-every logged at a step: entropy, GTD, and from some version on top_key_share; elemmul's B has no
// entropy.
struct MonitorPoint {
  int64_t step = 0;
  MatrixMeasures raw, refined;
};

// Strengths that are learned or warmed up, as they were logged: [layer][head], one head where layers share it.
struct StrengthPoint {
  int64_t step = 0;
  Layers strengths;
};

// analysis/NAME.step-N.json
struct CheckpointAnalysis {
  std::string name;
  int64_t step = 0;
  AnalysisRecord analysis;
};

struct RunInput {
  std::string name;  // the folder's name
  std::filesystem::path folder;
  io::Json record;                    // run.json as it is; null when there is none
  io::Json strengths;                 // λ of each layer or head where config.json has them; else null
  std::vector<LossPoint> train_loss;  // in the order of the file, as logged
  std::vector<LossPoint> validation_loss;
  std::vector<MonitorPoint> monitored;
  std::vector<StrengthPoint> strengths_logged;
  std::vector<ScoreCurve> score_curves;         // what fine-tuning logged beside losses
  std::vector<TaskRecord> tasks;                // by name
  std::vector<AnalysisRecord> analyses;         // by name, those of checkpoints aside
  std::vector<CheckpointAnalysis> checkpoints;  // by name and step
  std::vector<io::Json> maps;                   // analysis/*.maps.json, checked
  std::vector<std::string> remarks;             // what was missing or damaged, one plain sentence each

  // False of a model that somebody else trained: a folder of analyses (saobp analyze --into), or a model's own.
  bool trains() const;
};

// Throws Error when `folder` is not a folder, holds neither run.json nor metrics.jsonl nor suite.json nor config.json,
// or one of its files is damaged. Lines of metrics.jsonl that are no JSON, such as a last one that was cut off (the run
// was killed), are left out and remarked upon.
RunInput read_run(const std::filesystem::path& folder);

}  // namespace saobp::report
