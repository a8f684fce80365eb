// What a run was asked for, where it runs, and what came of it: run.json, and the same for people.
#pragma once

#include "saobp/model/config.h"
#include "saobp/recipes/run_keys.h"
#include "saobp/recipes/run_text.h"
#include "saobp/train/run_folder.h"

namespace saobp::recipes {

// Of a run that begins; "finished" and "final" are null.
io::Json new_record(const PretrainOptions& options, const model::ModelConfig& config, const RunKeys& keys,
                    const train::World& world);

// The lines with which a run begins.
void announce(const PretrainOptions& options, const model::ModelConfig& config, const RunText& text,
              const train::World& world, const std::filesystem::path& run, const train::Reporter& reporter);

struct RunRecord {
  PretrainOptions options;
  std::string job;  // of the launch that began it, where that had a name
  io::Json final;   // null while the run is not through

  // Whether `launch` may be a later start of the one that began the run: torchrun counts those after a loss, and under
  // the same --rdzv-id come those after machines have joined, or a batch system has queued the job again.
  bool began_as(const train::Launch& launch) const;
};
// Error when `run` holds no record of a pretraining run.
RunRecord read_record(const std::filesystem::path& run);

}  // namespace saobp::recipes
