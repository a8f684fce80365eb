// The spectrum of a head's W_QK = W_Q W_Kᵀ (Bao et al. 2024), from its factors alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace saobp::analysis {

// H heads, D channels each, n hidden channels. Biases are left out, and so is what QK-norm does behind the products.
class QueryKey {
 public:
  // qkv_weight [3n, n] as layers have it: query, key, value, each [out, in], heads one after the other.
  QueryKey(const at::Tensor& qkv_weight, int64_t heads);

  // All [H] in double. tr W and tr W².
  const at::Tensor& trace() const { return trace_; }
  const at::Tensor& trace_of_square() const { return trace_of_square_; }
  // Of all n eigenvalues, of which n − D are 0: the mean (tr W / n), the mean squared distance from it, and the root of
  // the mean squared modulus.
  const at::Tensor& mean() const { return mean_; }
  const at::Tensor& variance() const { return variance_; }
  const at::Tensor& scale() const { return scale_; }
  // The exponential of the entropy of the singular values' shares.
  const at::Tensor& effective_rank() const { return effective_rank_; }
  // The largest singular values of W_Q and W_K, whose product bounds the scores (Zhai et al. 2023).
  const at::Tensor& query_norm() const { return query_norm_; }
  const at::Tensor& key_norm() const { return key_norm_; }

 private:
  at::Tensor trace_, trace_of_square_, mean_, variance_, scale_, effective_rank_, query_norm_, key_norm_;
};

}  // namespace saobp::analysis
