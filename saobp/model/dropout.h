// Dropout whose mask is a pure function of (seed, element index): nothing is stored for the backward pass, a resumed
// run draws what the uninterrupted one would have drawn, and the number of threads does not matter.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace saobp::model {

// residual + x ⊙ R with R = 0 (probability p) or 1/(1 − p). Same shapes, any floating type; differentiable in both.
torch::Tensor dropout_add(const torch::Tensor& x, const torch::Tensor& residual, double p, uint64_t seed);

// x ⊙ R.
torch::Tensor dropout(const torch::Tensor& x, double p, uint64_t seed);

// A seed for the `site`-th use of randomness under `seed`.
uint64_t derive_seed(uint64_t seed, uint64_t site);

}  // namespace saobp::model
