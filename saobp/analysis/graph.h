// An attention matrix as an undirected graph of tokens, in the manner of the paper's Figure 2.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace saobp::analysis {

struct GraphIndices {
  // The mean over nodes of Barrat's weighted clustering coefficient (Barrat et al. 2004), those with fewer than two
  // neighbours left out; NaN where that leaves none.
  double clustering;
  // The mean over nodes of betweenness on hop counts, not normalised (Freeman 1977).
  double betweenness;
};

// matrix [L, L]: its first `tokens` tokens are the nodes, joined where (A + Aᵀ)/2 is above `threshold`, which is then
// the weight; no loops. One call at a time works, others wait: igraph is not made for threads.
GraphIndices graph_indices(const at::Tensor& matrix, int64_t tokens, double threshold);

}  // namespace saobp::analysis
