// Losses beside the language model's, which hold attention away from collapse (docs/method.md, "Baselines"):
// Entropy-Reg (Jha & Reagen 2025), and Eigen-Reg in the manner of LocAteR (Bao et al. 2024).
#pragma once

#include <cstdint>

#include "saobp/model/libtorch.h"
#include "saobp/model/model.h"
#include "saobp/train/regularizer_options.h"

namespace saobp::train {

// Registered with the model by add_regularizers, so that the thresholds that Entropy-Reg learns are among the model's
// parameters, and they and Eigen-Reg's first means in its checkpoints; model files know nothing of either.
struct RegularizersImpl : torch::nn::Module {
  RegularizersImpl(const RegularizerOptions& options, const model::Model& model);

  // Takes Eigen-Reg's first means from the model's weights of now.
  void begin(const model::Model& model);

  bool has_entropy_term() const { return options_.entropy_reg > 0; }
  bool has_eigen_term() const { return options_.eigen_reg > 0; }
  // Entropy-Reg's term of a pass: the sum of entropy_penalty() over its rows, a mean over layers and heads, times the
  // coefficient. `probe` sees the pass; entropy_term() gives what it saw, once, as a scalar that is undefined where the
  // term is off.
  model::AttentionProbe probe();
  torch::Tensor entropy_term();
  // Eigen-Reg's term of the weights, for a whole step: Σ ρ ‖W‖²/n + κ (tr W/n − μ₀)² over layers and heads, W = W_Q
  // W_Kᵀ without biases, n the hidden size. Undefined where it is off.
  torch::Tensor eigen_term(const model::Model& model) const;

 private:
  RegularizerOptions options_;
  double rows_scale_ = 0;
  torch::Tensor thresholds_;  // θ, [layers · heads], from 0.5 on: a vector, which AdamW does not decay
  torch::Tensor means_;       // μ₀, [layers, heads]
  torch::Tensor collected_;   // of the pass that runs
};
TORCH_MODULE(Regularizers);

// Null where the options ask for none.
Regularizers add_regularizers(const RegularizerOptions& options, const model::Model& model);

// Of a packed weight [3n, n] (query, key, value; each [out, in], heads one after the other): ‖W‖² and tr W of every
// head, [heads], from products of the heads' small matrices.
struct QueryKeySpectrum {
  torch::Tensor squared_norm, trace;
};
QueryKeySpectrum query_key_spectrum(const torch::Tensor& qkv_weight, int64_t heads);

}  // namespace saobp::train
