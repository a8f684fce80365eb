#include "saobp/model/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "saobp/model/dropout.h"
#include "saobp/model/overflow.h"

namespace saobp::model {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Uniform in [0, 1), 53 bits, for the i-th draw.
double draw(int64_t seed, size_t i) {
  return static_cast<double>(derive_seed(static_cast<uint64_t>(seed), i) >> 11) * 0x1p-53;
}

// How many of the probabilities, largest first, are needed for a sum of `top_p`; all where they do not reach it.
int64_t nucleus(const torch::Tensor& probabilities, double top_p) {
  const auto before = probabilities.cumsum(0) - probabilities;
  return std::max<int64_t>(1, before.lt(top_p).sum().item<int64_t>());
}

}  // namespace

void SamplingOptions::check() const { io::check_limits(*this); }

Candidates candidates(const torch::Tensor& logits, const SamplingOptions& options) {
  const int64_t vocabulary = logits.size(0);
  const auto scaled = logits.to(torch::kDouble) / options.temperature;
  if (options.top_k > 0) {
    auto [best, ids] = scaled.topk(std::min(options.top_k, vocabulary));
    auto probabilities = best.softmax(0);
    const int64_t count = nucleus(probabilities, options.top_p);
    probabilities = probabilities.slice(0, 0, count);
    return {ids.slice(0, 0, count), probabilities / probabilities.sum()};
  }
  const auto all = scaled.softmax(0);
  if (options.top_p == 1) return {torch::arange(vocabulary), all};
  // A few tokens mostly suffice, and sorting the whole vocabulary takes longer than a small model's pass.
  for (int64_t size = 512;; size *= 8) {
    auto [best, ids] = all.topk(std::min(size, vocabulary));
    const int64_t count = nucleus(best, options.top_p);
    if (count == best.size(0) && count < vocabulary) continue;
    const auto probabilities = best.slice(0, 0, count);
    return {ids.slice(0, 0, count), probabilities / probabilities.sum()};
  }
}

int64_t choose_token(const torch::Tensor& logits, const SamplingOptions& options, double place) {
  if (options.temperature == 0) return logits.argmax().item<int64_t>();
  const auto [ids, probabilities] = candidates(logits, options);
  const auto cumulative = probabilities.cumsum(0);
  // The last sum may fall short of 1 by rounding.
  const int64_t index = std::min(cumulative.le(place).sum().item<int64_t>(), ids.size(0) - 1);
  return ids[index].item<int64_t>();
}

std::optional<double> Generation::tokens_per_s() const {
  if (ids.size() < 2) return std::nullopt;
  return static_cast<double>(ids.size() - 1) / seconds;
}

Generation generate(ModelImpl& model, const std::vector<int64_t>& prompt, const SamplingOptions& options,
                    const Ending& ending, const std::function<void(int64_t id)>& on_token) {
  if (prompt.empty()) fail("generate: the prompt has no token; at least one was expected");
  torch::NoGradGuard no_grad;
  auto cache = new_cache(model);
  Generation made;
  const auto next_logits = [&](const std::vector<int64_t>& ids) {
    const auto hidden = decode(model, torch::tensor(ids).unsqueeze(0), cache);
    auto logits = model.logits(hidden[0].slice(0, -1))[0].slice(0, 0, ending.vocab_size);
    auto all = prompt;
    all.insert(all.end(), made.ids.begin(), made.ids.end());
    require_finite(logits, model, torch::tensor(all).unsqueeze(0), "generate");
    if (!ending.never.empty()) logits = logits.index_fill(0, torch::tensor(ending.never), -INFINITY);
    return logits;
  };
  auto start = Clock::now();
  auto logits = next_logits(prompt);
  made.prompt_seconds = seconds_since(start);
  start = Clock::now();
  for (;;) {
    const int64_t id = choose_token(logits, options, draw(options.seed, made.ids.size()));
    if (std::find(ending.end_of_text.begin(), ending.end_of_text.end(), id) != ending.end_of_text.end()) {
      made.stopped = Stop::end_of_text;
      break;
    }
    made.ids.push_back(id);
    made.seconds = seconds_since(start);
    if (on_token) on_token(id);
    if (static_cast<int64_t>(made.ids.size()) == options.max_new_tokens) break;
    if (cache.length() == model.config.max_length()) {
      made.stopped = Stop::positions;
      break;
    }
    logits = next_logits({id});
  }
  return made;
}

}  // namespace saobp::model
