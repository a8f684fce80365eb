// Entropy-Reg (Jha & Reagen 2025) of one layer: attention rows whose entropy lies too far from a learned share of the
// most that it could be.
#pragma once

#include <optional>

#include "saobp/model/libtorch.h"

namespace saobp::train {

// query and key [B, H, L, D], thresholds θ [H], key_mask [B, L] bool (true = real) or none for all real.
// Of each real row j, with H_j = −Σ_k A_jk log A_jk in nats, A = softmax(Q Kᵀ/√D), and n_j the keys that it sees
// (causal: the real ones up to j), δ = H_j − θ · log n_j, and the penalty is Σ δ² over all rows with |δ| > tolerance ·
// log n_j: rows that see one key have none. A number, differentiable once in query, key and thresholds; works by blocks
// of rows and keeps no L×L matrix. In float, or in double where the query is.
torch::Tensor entropy_penalty(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& thresholds,
                              const std::optional<torch::Tensor>& key_mask, bool causal, double tolerance);

}  // namespace saobp::train
