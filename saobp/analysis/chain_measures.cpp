// Measures of the chains of hops: within a layer, and through the layers.
#include <ATen/ATen.h>

#include <cmath>

#include "saobp/analysis/measure.h"

namespace saobp::analysis {
namespace {

// ln 4 / −ln |λ₂|. A chain that takes more than so many is said not to mix: its number would say little but how close
// to 1 rounding has left |λ₂|.
constexpr double kMostHops = 100;
at::Tensor mixing_hops(SeenAttention& seen) {
  const auto hops = std::log(4.0) / -seen.chain().second_eigenvalue.log();
  return hops.masked_fill(hops.ge(0).logical_and(hops.le(kMostHops)).logical_not(), NAN);
}

at::Tensor squares(const at::Tensor& matrix) { return matrix.square().sum().to(at::kDouble); }

at::Tensor cross_layer_gtd(SeenAttention& seen) {
  const auto& layers = seen.layers_so_far();
  const auto indirect = squares(layers.indirect);
  return (indirect / (squares(layers.mean) + indirect)).view({1});
}

at::Tensor rollout_entropy(SeenAttention& seen) {
  return entropy_of_rows(seen.layers_so_far().rollout).mean().view({1});
}

at::Tensor rollout_top_key_share(SeenAttention& seen) { return seen.layers_so_far().rollout.mean(0).amax().view({1}); }

}  // namespace

std::vector<Measure> chain_measures() {
  return {
      {.name = "tokenrank_max",
       .heading = "TokenRank",
       .definition = "largest share of a token in the stationary distribution of the chain of hops",
       .cost = Cost::spectra,
       .heads = [](SeenAttention& seen) { return seen.chain().stationary.amax(-1); }},
      {.name = "second_eigenvalue",
       .heading = "|λ₂|",
       .definition = "second largest modulus of an eigenvalue: what is left of a difference after one hop",
       .cost = Cost::spectra,
       .heads = [](SeenAttention& seen) { return seen.chain().second_eigenvalue; }},
      {.name = "mixing_hops",
       .heading = "mixing",
       .unit = "hops",
       .definition = "how long the slowest difference takes to fall to a quarter, where that is at most 100 hops",
       .cost = Cost::spectra,
       .heads = mixing_hops},
      {.name = "cross_layer_gtd",
       .heading = "x-layer",
       .definition = "GTD of chains that go a layer down with each hop, of the mean over heads",
       .heads = cross_layer_gtd},
      {.name = "rollout_entropy",
       .heading = "rollout",
       .unit = "nats",
       .definition = "mean row entropy of attention rollout up to this layer",
       .heads = rollout_entropy},
      {.name = "rollout_top_key_share",
       .heading = "roll. top",
       .definition = "share of the key that gets most of attention rollout up to this layer",
       .heads = rollout_top_key_share},
  };
}

}  // namespace saobp::analysis
