// The Markov chain of an attention matrix, whose steps go from a token to one that it looks at.
#pragma once

#include <ATen/core/Tensor.h>

namespace saobp::analysis {

struct Chain {
  at::Tensor stationary;         // πA = π, sums to one: TokenRank (Erel et al. 2025), [H, L] in double
  at::Tensor second_eigenvalue;  // the second largest modulus of an eigenvalue, [H] in double; NaN: there is none (of
                                 // one token), or LAPACK found none
};

// matrices [H, L, L], rows sum to one. By 24 steps of Arnoldi's iteration, up to 120 for heads whose eigenpairs have
// not settled to a residual of 1e-4, or which another vector shows to have a larger eigenvalue; what is left, and short
// matrices, are solved whole, in double. The eigenvalues of a causal matrix are its diagonal, and its chain ends in the
// first token.
Chain chain_of(const at::Tensor& matrices, bool causal);

}  // namespace saobp::analysis
