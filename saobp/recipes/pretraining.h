// What pretraining puts together: text as rows, a model that is drawn or taken over, and the loss on held-out text.
#pragma once

#include "saobp/recipes/options.h"
#include "saobp/recipes/recipe.h"
#include "saobp/recipes/run_text.h"

namespace saobp::recipes {

std::unique_ptr<Composition> make_pretraining(const PretrainOptions& options, const RunPlace& place);

// The lines with which a run begins.
void announce(const PretrainOptions& options, const model::ModelConfig& config, const RunText& text,
              const train::World& world, const fs::path& run, const train::Reporter& reporter);

}  // namespace saobp::recipes
