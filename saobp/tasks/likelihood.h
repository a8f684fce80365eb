// A decoder asked without training: which option is the likeliest continuation of a context (lm-evaluation-harness).
#pragma once

#include <memory>

#include "saobp/tasks/objective.h"

namespace saobp::tasks {

// The log-likelihood of each option behind the context that the prompt makes, and that of the option by itself, behind
// the token that begins a text. Context and option are encoded together and cut where the context's own tokens end;
// white space at the context's end counts to the option. Of a context that makes more than `length` tokens the end is
// kept.
//
// An item is an example; its outputs are, option by option, Σ log p(option | context) and Σ log p(option), in nats.
// UsageError where the task has no such prompt. The task, the examples and the tokenizer must outlive it.
std::unique_ptr<Objective> make_likelihoods(const Task& task, const std::string& prompt, const Examples& examples,
                                            const model::ModelConfig& config, const text::Tokenizer& tokenizer,
                                            int64_t length);

}  // namespace saobp::tasks
