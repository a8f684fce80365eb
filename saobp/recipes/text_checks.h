// Text that teaches nothing, told before the first step: tokens that the tokenizer does not know, a validation text
// that predicts nothing, or that is the text to train on.
#pragma once

#include <string>

#include "saobp/data/rows.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/reporter.h"

namespace saobp::recipes {

// Shares of a source's tokens that are [UNK]: above the first a run says so, above the second it does not begin.
inline constexpr double kUnknownShareToSay = 0.01, kUnknownShareToRefuse = 0.5;
// The same of validation tokens that stand in documents of the text to train on.
inline constexpr double kSharedToSay = 0.01;

// How many of the corpus' tokens are [UNK], as ", 0.4 % [UNK]"; empty where the tokenizer has no such token.
std::string unknown_share(const data::Corpus& corpus, const text::Tokenizer& tokenizer);

// A line for each source with many unknown tokens; Error for one that has little else. `flag` is the sources'.
void check_unknown(const data::Corpus& corpus, const text::Tokenizer& tokenizer, const char* flag,
                   const train::Reporter& reporter);

// Error when no row has anything to predict.
void require_predictions(const data::ValidationRows& rows);

// A line when `validation` is the corpus, or has documents in common with it.
void check_overlap(const data::Corpus& validation, const data::Corpus& corpus, const train::Reporter& reporter);

}  // namespace saobp::recipes
