// What stands between a run's options and its first step.
#pragma once

#include "saobp/recipes/options.h"
#include "saobp/text/tokenizer.h"

namespace saobp::recipes {

// So that a run can be resumed from another working folder. Suffixes of a source (:2, :file) stay at its end.
PretrainOptions with_absolute_paths(PretrainOptions options);

// Error for a text that is not there, before the first one is tokenised.
void find_texts(const PretrainOptions& options);

// Error when the vocabulary lacks a special token that rows of the model's family need.
VocabularyFacts vocabulary_facts(const ModelOptions& options, const text::Tokenizer& tokenizer);

}  // namespace saobp::recipes
