// What stands between a run's options and its first step.
#pragma once

#include <string>

#include "saobp/data/corpus.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/options.h"

namespace saobp::train {

// So that a run can be resumed from another working folder. Suffixes of a source (:2, :file) stay at its end.
PretrainOptions with_absolute_paths(PretrainOptions options);

// Error for a text that is not there, before the first one is tokenised.
void find_texts(const PretrainOptions& options);

// Error when the process is one of several ranks: each would train a model of its own into one folder.
void refuse_ranks();

void set_threads(const PretrainOptions& options);

// Error when the vocabulary lacks a special token that rows of the model's family need.
VocabularyFacts vocabulary_facts(const ModelOptions& options, const text::Tokenizer& tokenizer);

// "1234 tokens, 5 documents, 1 files (from the cache)"
std::string description_of(const data::Corpus& corpus);

}  // namespace saobp::train
