// The same questions to several versions of a model: what it predicts of a text's tokens, and what it makes of them.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "saobp/model/backbone.h"
#include "saobp/recipes/analysis_source.h"

namespace saobp::recipes {

// A sequence: of an encoder with a language model's head 15 % of its tokens are masked, as in pretraining, always the
// same ones; of a decoder each next token is asked for. A model without such a head is asked for nothing.
struct Question {
  torch::Tensor ids, types;          // [1, L]; types undefined: all 0
  torch::Tensor positions, targets;  // [n]; undefined where nothing is asked
};
// At most `most` predictions, spread evenly over the sequences, so that distributions over the vocabulary find room.
std::vector<Question> questions_of(const pretrained::Pretrained& opened, const AnalysisItems& items,
                                   int64_t most = 2048);

struct Answer {
  torch::Tensor states;             // [L, C] behind the last layer
  torch::Tensor log_probabilities;  // [n, V]; undefined where nothing is asked
  double loss = NAN;                // mean over the n, nats; NaN where nothing is asked
};
// In evaluation mode, without gradients.
Answer answer(model::ModelImpl& model, const Question& question);

// What became of an answer: D(first ‖ second), the mean over predictions, nats (NaN where nothing is asked); the mean
// cosine between a token's states in both, and that between their means over tokens.
struct Change {
  double divergence, states_cosine, pooled_cosine;
};
Change change_of(const Answer& first, const Answer& second);

}  // namespace saobp::recipes
