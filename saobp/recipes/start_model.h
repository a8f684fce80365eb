// The model of a run's first step: drawn, or taken over from a model's folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/model/model.h"
#include "saobp/recipes/options.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/regularizers.h"

namespace saobp::recipes {

struct StartedModel {
  model::Model model;
  io::Json record;                 // of --from: "folder", "taken_over", "drawn", "unused", "positions"; else null
  std::vector<std::string> lines;  // the same for people
};

// As the options say, drawn with their seed where it is not taken over.
StartedModel start_model(const PretrainOptions& options, const text::Tokenizer& tokenizer);

// That of a run which goes on, of its config.json; a checkpoint fills it.
StartedModel resume_model(const PretrainOptions& options, const std::filesystem::path& run);

// What the options make of either before the first step: positions, type, strengths. Gives their regularisers, or null.
train::Regularizers set_up(const model::Model& model, const PretrainOptions& options);

}  // namespace saobp::recipes
