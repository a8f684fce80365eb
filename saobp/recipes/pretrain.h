// Pretraining, masked or causal: from options to a run folder.
#pragma once

#include <filesystem>

#include "saobp/recipes/options.h"
#include "saobp/recipes/recipe.h"

namespace saobp::recipes {

extern const Recipe kPretraining;

// A new run, and going on with one, as start_run() and resume_run() do.
RunOutcome pretrain(const PretrainOptions& options, const fs::path& run, const train::Reporter& reporter);
RunOutcome resume_pretraining(const fs::path& run, io::Json changes, const train::Reporter& reporter);

}  // namespace saobp::recipes
