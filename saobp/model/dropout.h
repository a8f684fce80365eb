// Dropout whose mask is a pure function of (seed, element index): nothing is stored for the backward pass, a resumed
// run draws what the uninterrupted one would have drawn, and the number of threads does not matter.
#pragma once

#include <cstdint>

#include "saobp/model/cpu/rows.h"
#include "saobp/model/libtorch.h"

namespace saobp::model {

// R: 0 with probability p, else 1/(1 − p), of the shape, type and device of `like`. What the CPU's kernels draw, made
// by ATen.
torch::Tensor dropout_mask(const torch::Tensor& like, double p, uint64_t seed);

// The same mask as the kernels take it.
cpu::Dropout kernel_dropout(double p, uint64_t seed);

// A seed for the `site`-th use of randomness under `seed`.
uint64_t derive_seed(uint64_t seed, uint64_t site);

}  // namespace saobp::model
