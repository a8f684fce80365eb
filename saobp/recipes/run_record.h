// What a run was asked for, where it runs, and what came of it: run.json, and the same for people.
#pragma once

#include "saobp/model/config.h"
#include "saobp/recipes/recipe.h"
#include "saobp/train/run_folder.h"

namespace saobp::recipes {

// Of a run that begins; "finished" and "final" are null. `about` is what the recipe says of it.
io::Json new_record(const char* command, const io::Json& options, const io::Json& about, const RunKeys& keys,
                    const train::World& world);

// "name", sizes and attention, for a record.
io::Json describe_model(const std::string& name, const model::ModelConfig& config);

// "NAME, 22,744,506 parameters, high attention, strength 0.1", for people.
std::string model_in_words(const std::string& name, const model::ModelConfig& config);

struct RunRecord {
  std::string command;
  io::Json options;
  std::string job;  // of the launch that began it, where that had a name
  io::Json final;   // null while the run is not through

  // Whether `launch` may be a later start of the one that began the run: torchrun counts those after a loss, and under
  // the same --rdzv-id come those after machines have joined, or a batch system has queued the job again.
  bool began_as(const train::Launch& launch) const;
};
// Error when `run` holds no record of a run that the recipe makes.
RunRecord read_record(const fs::path& run, const Recipe& recipe);

}  // namespace saobp::recipes
