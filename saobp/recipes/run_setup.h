// What stands between a run's options and its first step.
#pragma once

#include "saobp/recipes/options.h"
#include "saobp/text/tokenizer.h"

namespace saobp::recipes {

// So that a run can be resumed from another working folder. Suffixes of a source (:2, :file) stay at its end.
PretrainOptions with_absolute_paths(PretrainOptions options);

// The folder without a slash or a dot at its end, which its name for what is written beside it would begin with.
std::filesystem::path folder_name(std::filesystem::path folder);

// Error when the folder of a run that is to begin is there, naming who trains in it.
void refuse_existing(const std::filesystem::path& run);

// Error for a text that is not there, before the first one is tokenised.
void find_texts(const PretrainOptions& options);

void set_threads(const PretrainOptions& options);

// Error when the vocabulary lacks a special token that rows of the model's family need.
VocabularyFacts vocabulary_facts(const ModelOptions& options, const text::Tokenizer& tokenizer);

}  // namespace saobp::recipes
