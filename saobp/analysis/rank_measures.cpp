// Ranks of attention and of hidden states: two collapses that need not go together.
#include <ATen/ATen.h>

#include "saobp/analysis/measure.h"

namespace saobp::analysis {
namespace {

// All of singular values [..., n], descending.
at::Tensor effective_rank(const at::Tensor& values) {
  const auto shares = values.to(at::kDouble) / values.to(at::kDouble).sum(-1, /*keepdim=*/true);
  return entropy_of_rows(shares).exp();
}
at::Tensor stable_rank(const at::Tensor& values) {
  const auto squares = values.to(at::kDouble).square();
  return squares.sum(-1) / squares.select(-1, 0);
}
at::Tensor rank_90(const at::Tensor& values) {
  const auto sums = values.to(at::kDouble).square().cumsum(-1);
  return sums.lt(sums.select(-1, sums.size(-1) - 1).unsqueeze(-1) * 0.9).sum(-1).to(at::kDouble) + 1;
}

// Of what the head gives its queries: AV, [H, L, D].
at::Tensor output_effective_rank(SeenAttention& seen) {
  const auto& value = seen.layer().value;
  if (!value.defined()) return at::full({seen.heads()}, NAN, at::kDouble);
  return effective_rank(at::linalg_svdvals(at::bmm(seen.matrices(), value.to(seen.matrices().scalar_type()))));
}

at::Tensor score_max(SeenAttention& seen) {
  const auto scores = seen.scores();
  if (!scores.defined()) return at::full({seen.heads()}, NAN, at::kDouble);
  return (seen.sequence().causal() ? scores.tril() : scores).abs().amax({-2, -1});
}

// The mean over pairs of different tokens: the sum over all pairs is the squared length of the sum of directions.
at::Tensor mean_cosine(SeenStates& seen) {
  const auto states = seen.states().to(at::kDouble);
  const auto directions = states / states.norm(2, -1, /*keepdim=*/true);
  const auto n = static_cast<double>(states.size(0));
  if (n < 2) return at::full({}, NAN, at::kDouble);
  return (directions.sum(0).square().sum() - n) / (n * (n - 1));
}

// "Massive activations" (Sun et al. 2024) are thousands of medians.
at::Tensor max_ratio(SeenStates& seen) {
  const auto sizes = seen.states().to(at::kDouble).abs().flatten();
  return sizes.max() / sizes.median();
}

at::Tensor kurtosis(SeenStates& seen) {
  const auto states = seen.states().to(at::kDouble);
  const auto squares = (states - states.mean()).square();
  return squares.square().mean() / squares.mean().square();
}

}  // namespace

std::vector<Measure> rank_measures() {
  return {
      {.name = "effective_rank",
       .heading = "eff. rank",
       .definition = "exponential of the entropy of the singular values' shares",
       .cost = Cost::spectra,
       .heads = [](SeenAttention& seen) { return effective_rank(seen.singular_values()); }},
      {.name = "stable_rank",
       .heading = "stable",
       .definition = "sum of the squared singular values, divided by the largest of them squared",
       .cost = Cost::spectra,
       .heads = [](SeenAttention& seen) { return stable_rank(seen.singular_values()); }},
      {.name = "rank_90",
       .heading = "rank 90 %",
       .definition = "singular values that hold 90 % of the sum of squares",
       .cost = Cost::spectra,
       .heads = [](SeenAttention& seen) { return rank_90(seen.singular_values()); }},
      {.name = "output_effective_rank",
       .heading = "rank AV",
       .definition = "effective rank of what the head gives its queries, AV",
       .cost = Cost::spectra,
       .heads = output_effective_rank},
      {.name = "score_max", .heading = "max |S|", .definition = "largest modulus of a score", .heads = score_max},
      {.name = "states_effective_rank",
       .heading = "eff. rank",
       .definition = "effective rank of the hidden states",
       .cost = Cost::spectra,
       .states = [](SeenStates& seen) { return effective_rank(seen.singular_values()); }},
      {.name = "states_stable_rank",
       .heading = "stable",
       .definition = "stable rank of the hidden states",
       .cost = Cost::spectra,
       .states = [](SeenStates& seen) { return stable_rank(seen.singular_values()); }},
      {.name = "states_rank_90",
       .heading = "rank 90 %",
       .definition = "singular values of the hidden states that hold 90 % of the sum of squares",
       .cost = Cost::spectra,
       .states = [](SeenStates& seen) { return rank_90(seen.singular_values()); }},
      {.name = "states_cosine",
       .heading = "cosine",
       .definition = "mean cosine between the hidden states of two tokens; 1 where all of them point one way",
       .states = mean_cosine},
      {.name = "states_max_ratio",
       .heading = "max/median",
       .definition = "largest modulus of an activation, divided by the median; massive activations are thousands of it",
       .states = max_ratio},
      {.name = "states_kurtosis",
       .heading = "kurtosis",
       .definition = "fourth moment of the activations, divided by the squared variance: 3 of a normal distribution",
       .states = kurtosis},
  };
}

}  // namespace saobp::analysis
