// What stands between a layer's matrix products: biases, dropout, residuals, LayerNorm and activations, each of these
// functions in one sweep over memory and differentiable. On the CPU in float and bfloat16 by kernels (cpu/rows.h) that
// compute in float, elsewhere by ATen. Biases and LayerNorm's weights may be float where the rest is bfloat16.
//
// Shapes: x, residual [..., C]; bias, weight [C].
#pragma once

#include <cstdint>
#include <string>

#include "saobp/model/libtorch.h"

namespace saobp::model {

struct Norm {
  torch::Tensor weight, bias;
  double eps;
};

struct SumAndNorm {
  torch::Tensor sum;     // residual + R ⊙ (x + bias)
  torch::Tensor normed;  // LayerNorm(sum)
};

// R = 0 (probability p) or 1/(1 − p), drawn from `seed` (dropout.h).
SumAndNorm dropout_add_and_norm(const torch::Tensor& x, const torch::Tensor& bias, const torch::Tensor& residual,
                                double p, uint64_t seed, const Norm& norm);
// One of the two.
torch::Tensor dropout_add_norm(const torch::Tensor& x, const torch::Tensor& bias, const torch::Tensor& residual,
                               double p, uint64_t seed, const Norm& norm);
torch::Tensor dropout_add(const torch::Tensor& x, const torch::Tensor& bias, const torch::Tensor& residual, double p,
                          uint64_t seed);
// x ⊙ R.
torch::Tensor dropout(const torch::Tensor& x, double p, uint64_t seed);
torch::Tensor layer_norm(const torch::Tensor& x, const Norm& norm);

// activation(x + bias): gelu (erf), gelu_new (tanh) or relu; bias may be undefined.
torch::Tensor bias_activation(const std::string& name, const torch::Tensor& x, const torch::Tensor& bias);

}  // namespace saobp::model
