// σReparam (Zhai et al. 2023, "Stabilizing Transformer Training by Preventing Attention Entropy Collapse"): a linear
// layer multiplies by Ŵ = γ/σ(W) · W, where σ(W) is the largest singular value of W and γ, which begins at 1, is
// learned: Ŵ's largest singular value is γ, however long W grows.
#pragma once

#include <cstdint>

#include "saobp/model/libtorch.h"

namespace saobp::model {

// For a weight [matrices · rows, columns], matrices packed one below the other, each with its own σ and γ. σ = uᵀ W v,
// with u and v the singular vectors as far as power iteration has followed W: constants to the gradient, so that σ's is
// u vᵀ, as the true one's is.
struct SigmaReparamImpl : torch::nn::Module {
  SigmaReparamImpl(int64_t matrices, int64_t rows, int64_t columns);

  // Ŵ, in W's shape.
  torch::Tensor effective(const torch::Tensor& weight) const;
  // σ as u and v have it, [matrices].
  torch::Tensor norms(const torch::Tensor& weight) const;
  // The exact singular vectors, by SVD, of a weight that was drawn; γ = 1.
  void start(const torch::Tensor& weight);
  // One power iteration, for each training step.
  void iterate(const torch::Tensor& weight);

  torch::Tensor gain;         // γ, [matrices]
  torch::Tensor left, right;  // u [matrices, rows] and v [matrices, columns], of length 1

 private:
  torch::Tensor stacked(const torch::Tensor& weight) const;
};
TORCH_MODULE(SigmaReparam);

}  // namespace saobp::model
