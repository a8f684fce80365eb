// What a run was asked for, where it runs, and what came of it: run.json, and the same for people.
#pragma once

#include "saobp/model/config.h"
#include "saobp/train/run_folder.h"
#include "saobp/train/run_text.h"

namespace saobp::train {

// Of a run that begins; "finished" and "final" are null.
io::Json new_record(const PretrainOptions& options, const model::ModelConfig& config, const World& world);

// The lines with which a run begins.
void announce(const PretrainOptions& options, const model::ModelConfig& config, const RunText& text,
              const World& world, const fs::path& run, const Reporter& reporter);

struct RunRecord {
  PretrainOptions options;
  io::Json final;  // null while the run is not through
};
// Error when `run` holds no record of a pretraining run.
RunRecord read_record(const fs::path& run);

}  // namespace saobp::train
