// The model that a checkpoint holds, opened outside of training.
#pragma once

#include <filesystem>
#include <optional>

#include "saobp/model/model.h"

namespace saobp::recipes {

// RUN of RUN/checkpoints/step-NNNNNN; nothing where the folder is no checkpoint of a run.
std::optional<std::filesystem::path> run_of_checkpoint(const std::filesystem::path& folder);

// In evaluation mode, with the strengths that the run had reached by then. The config and the options are those of the
// run; Error when one of the files is missing or damaged.
model::Model load_checkpoint_model(const std::filesystem::path& checkpoint, const std::filesystem::path& run);

}  // namespace saobp::recipes
