// Continuing a text with a decoder, one token after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/fields.h"
#include "saobp/model/decoder.h"
#include "saobp/model/libtorch.h"
#include "saobp/model/model.h"

namespace saobp::model {

struct SamplingOptions {
  double temperature = 1.0;
  int64_t top_k = 0;
  double top_p = 1.0;
  int64_t seed = 1;
  int64_t max_new_tokens = 100;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("temperature", self.temperature, "divides the logits; below 1 likely tokens gain; 0: always the likeliest",
          io::between(0, 1000));
    visit("top_k", self.top_k, "draw from the k likeliest tokens only; 0: from all", io::at_least(0));
    visit("top_p", self.top_p, "draw from the fewest likeliest tokens that together have this probability",
          io::above(0, 1));
    visit("seed", self.seed, "of the draws; the same seed gives the same text", io::at_least(0));
    visit("max_new_tokens", self.max_new_tokens, "stop after so many tokens", io::at_least(1));
  }

  // UsageError naming the flag, what was given and what was expected.
  void check() const;
};

// Tokens that may come next, likeliest first where top_k or top_p cut the vocabulary, else all of it in its order.
struct Candidates {
  torch::Tensor ids;            // [n] int64
  torch::Tensor probabilities;  // [n] float64, their sum 1
};

// From the logits [V] of one position: temperature (> 0), then top_k, then top_p, as transformers orders them.
Candidates candidates(const torch::Tensor& logits, const SamplingOptions& options);

// The token for a place in [0, 1) of the candidates' cumulative probability; with temperature 0 the likeliest, the
// first of equals.
int64_t choose_token(const torch::Tensor& logits, const SamplingOptions& options, double place);

enum class Stop { end_of_text, max_new_tokens, positions };

inline const std::vector<std::string>& enum_names(Stop) {
  static const std::vector<std::string> names = {"end_of_text", "max_new_tokens", "positions"};
  return names;
}

struct Generation {
  std::vector<int64_t> ids;  // new tokens, the end of text not among them
  Stop stopped = Stop::max_new_tokens;
  double prompt_seconds = 0;  // for the prompt
  double seconds = 0;         // for the tokens after the first, whose logits come with the prompt's
  double prompt_tokens_per_s(size_t prompt_tokens) const { return static_cast<double>(prompt_tokens) / prompt_seconds; }
  // Absent where fewer than two tokens were made.
  std::optional<double> tokens_per_s() const;
};

struct Ending {
  int64_t vocab_size = 0;            // ids from here on are never chosen: the tokenizer does not know them
  std::vector<int64_t> end_of_text;  // choosing one of them stops
  std::vector<int64_t> never = {};   // other ids that are never chosen: holes in the tokenizer's vocabulary
};

// Continues `prompt` (at least one id) until the end of text, max_new_tokens, or the end of the position table, with a
// key-value cache; `on_token` is told each new id at once. The i-th draw depends on (seed, i) alone. The model must be
// in evaluation mode. Error when the prompt is longer than the position table.
Generation generate(ModelImpl& model, const std::vector<int64_t>& prompt, const SamplingOptions& options,
                    const Ending& ending, const std::function<void(int64_t id)>& on_token = {});

}  // namespace saobp::model
