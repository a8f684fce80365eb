// The language-model loss together with the projection onto the vocabulary, by chunks of rows: the gradients of a chunk
// are made while its logits are at hand, so that a [rows × vocabulary] matrix is never kept for the backward pass.
//
// Shapes: N rows, C hidden channels, V vocabulary.
#pragma once

#include "saobp/model/libtorch.h"

namespace saobp::train {

// scale · Σ_n −log softmax(hidden_n Wᵀ + b)[target_n], a differentiable scalar (float; double for double).
// hidden [N, C], weight [V, C], bias [V] or undefined, targets [N] int64 within [0, V). N may be 0. Products are made
// in the type of `hidden`, to which float weights are rounded where that is bfloat16; all else is float then, and
// gradients come in each tensor's own type. Not twice differentiable. Error naming both sizes where they differ.
torch::Tensor linear_cross_entropy(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& bias,
                                   const torch::Tensor& targets, double scale = 1.0);

}  // namespace saobp::train
