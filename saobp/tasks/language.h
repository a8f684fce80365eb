// How likely a language model finds a text (Kind::language).
#pragma once

#include <memory>

#include "saobp/tasks/objective.h"

namespace saobp::tasks {

// A prediction is what the model says of a document, in nats, beside its tokens, words and bytes.
//
// A decoder: Σ log p of its tokens, each once. They are predicted in windows of at most `length` tokens, the first
// behind the token that begins a text (or without it, and then the first token is not predicted); a further window
// predicts `stride` tokens more and sees as many before them as it has room for. A stride of the whole length is
// lm-evaluation-harness' rolling log-likelihood.
//
// An encoder, rows of at most `length` tokens with its special tokens: Σ log p of 15 % of the tokens, masked as in
// pretraining with a seed of their own; and of each token where it alone is masked (the pseudo-log-likelihood of
// Salazar et al. 2020, arXiv 1910.14659), and where the rest of its word behind it is masked too (word-l2r: Kauf and
// Ivanova 2023, arXiv 2305.10588). An item is a row with one or more of its tokens asked for.
//
// The task, the examples and the tokenizer must outlive it. UsageError for a length that does not fit; of a stride that
// does not, as much is taken as does.
std::unique_ptr<Objective> make_language(const Task& task, const Examples& examples, const model::ModelConfig& config,
                                         const text::Tokenizer& tokenizer, int64_t length);

}  // namespace saobp::tasks
