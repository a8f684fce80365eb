#include "saobp/analysis/query_key.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "saobp/analysis/measure.h"

namespace saobp::analysis {

QueryKey::QueryKey(const at::Tensor& qkv_weight, int64_t heads) {
  const at::NoGradGuard no_grad;
  // Rows of a head are W_Qᵀ and W_Kᵀ, [D, n], so that W = query_rowsᵀ · key_rows, whose eigenvalues other than 0 are
  // those of the small key_rows · query_rowsᵀ.
  const auto parts = qkv_weight.to(at::kDouble).view({3, heads, -1, qkv_weight.size(1)});
  const auto query = parts[0], key = parts[1];
  const auto n = static_cast<double>(qkv_weight.size(1));
  const auto values = at::linalg_eigvals(at::bmm(key, query.transpose(1, 2)));
  trace_ = at::real(values.sum(-1));
  trace_of_square_ = at::real(values.square().sum(-1));
  mean_ = trace_ / n;
  const auto mean_square = values.abs().square().sum(-1) / n;
  variance_ = (mean_square - mean_.square()).clamp_min(0);
  scale_ = mean_square.sqrt();
  // The factors' own bases do not change singular values.
  const auto small = [](const at::Tensor& rows) { return std::get<1>(at::linalg_qr(rows.transpose(1, 2), "r")); };
  const auto small_query = small(query), small_key = small(key);
  query_norm_ = at::linalg_svdvals(small_query).select(-1, 0);
  key_norm_ = at::linalg_svdvals(small_key).select(-1, 0);
  const auto singular = at::linalg_svdvals(at::bmm(small_query, small_key.transpose(1, 2)));
  effective_rank_ = entropy_of_rows(singular / singular.sum(-1, /*keepdim=*/true)).exp();
}

std::vector<Measure> query_key_measures() {
  return {
      {.name = "qk_trace",
       .heading = "tr W",
       .definition = "trace of W_QK, the sum of its eigenvalues",
       .weights = [](const QueryKey& spectrum) { return spectrum.trace(); }},
      {.name = "qk_trace_square",
       .heading = "tr W²",
       .definition = "trace of the square of W_QK",
       .weights = [](const QueryKey& spectrum) { return spectrum.trace_of_square(); }},
      {.name = "qk_mean",
       .heading = "mean",
       .definition = "mean of the eigenvalues of W_QK, zeros included",
       .weights = [](const QueryKey& spectrum) { return spectrum.mean(); }},
      {.name = "qk_variance",
       .heading = "variance",
       .definition = "mean squared distance of these eigenvalues from their mean",
       .weights = [](const QueryKey& spectrum) { return spectrum.variance(); }},
      {.name = "qk_scale",
       .heading = "scale",
       .definition = "root of the mean squared modulus of these eigenvalues",
       .weights = [](const QueryKey& spectrum) { return spectrum.scale(); }},
      {.name = "qk_effective_rank",
       .heading = "eff. rank",
       .definition = "effective rank of W_QK",
       .weights = [](const QueryKey& spectrum) { return spectrum.effective_rank(); }},
      {.name = "query_spectral_norm",
       .heading = "‖W_Q‖",
       .definition = "largest singular value of W_Q",
       .weights = [](const QueryKey& spectrum) { return spectrum.query_norm(); }},
      {.name = "key_spectral_norm",
       .heading = "‖W_K‖",
       .definition = "largest singular value of W_K; its product with that of W_Q bounds the scores",
       .weights = [](const QueryKey& spectrum) { return spectrum.key_norm(); }},
  };
}

}  // namespace saobp::analysis
