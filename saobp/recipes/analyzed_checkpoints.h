// Checkpoints of a run that are analysed one after the other, and the numbers that their measures are held against.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "saobp/recipes/correlations.h"

namespace saobp::recipes {

// RUN/checkpoints/step-NNNNNN: of "all" the oldest first, else of steps with commas between, in that order. Error where
// the run has none or not that one, UsageError for what is no step or is given twice.
std::vector<std::filesystem::path> chosen_checkpoints(const std::filesystem::path& run, const std::string& which);

// NNNNNN of step-NNNNNN.
std::vector<int64_t> steps_of(const std::vector<std::filesystem::path>& checkpoints);

// By step: those of the file `scores`, or where that is empty the validation losses, and the scores of the task that
// the run is fine-tuned on, which it has logged.
KeyedNumbers numbers_of_checkpoints(const std::filesystem::path& run, const std::filesystem::path& scores);

}  // namespace saobp::recipes
