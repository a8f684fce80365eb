#include "saobp/attention/cpu/causal_rows.h"

#include <algorithm>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/causal_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/causal-inl.h"
#include "saobp/attention/cpu/statistics-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

// e → p, and the row's own messages into the products. Returns Σ p.
template <bool kExcludeSelf>
HWY_INLINE float weigh_row(const Block& row, int64_t i, float inverse_sum, Vector decay, const ColumnState& state) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto inverse = hn::Set(f, inverse_sum);
  auto total = hn::Zero(f);
  for_segments(row, i, [&](float* x, int64_t column, int64_t count) HWY_ATTR {
    const float* weights = state.weights + column;
    float* products = state.products + column;
    for (int64_t k = 0; k < count; k += lanes) {
      const auto e = hn::LoadU(f, x + k), before = hn::LoadU(f, products + k);
      const auto after = hn::Mul(before, message(hn::Mul(e, inverse), decay));
      const auto p = hn::Mul(e, hn::Mul(hn::LoadU(f, weights + k), kExcludeSelf ? before : after));
      total = hn::Add(total, p);
      hn::StoreU(p, f, x + k);
      hn::StoreU(after, f, products + k);
    }
  });
  return hn::GetLane(hn::SumOfLanes(f, total));
}

void CausalRows(const Block& scores, const int64_t* visible, const Messages& messages, const ColumnState& state,
                float* row_max, float* inverse_sum, float* row_total, CausalStatistics* statistics) {
  const auto decay = hn::Set(Floats(), messages.decay);
  begin_columns(state, scores.columns);
  for (int64_t i = 0; i < scores.rows; ++i) {
    if (i > 0 && i % messages.fold == 0) renormalise(state, scores.columns);
    const Block row = visible_row(scores, i, visible[i]);
    row_max[i] = row_maximum(row, i);
    inverse_sum[i] = 1.0f / exponential_row(row, i, row_max[i], statistics ? statistics->attention + i : nullptr);
    row_total[i] = messages.exclude_self ? weigh_row<true>(row, i, inverse_sum[i], decay, state)
                                         : weigh_row<false>(row, i, inverse_sum[i], decay, state);
    if (statistics) weighted_total<true>(row, i, nullptr, statistics->refined + i);
    fill_columns(scores, i, row.columns, scores.columns, 0.0f);
  }
  gather_products(state, scores.columns);
}

// S → logits of B, or left as it is; the row's own messages into the products.
HWY_INLINE void logarithmic_row(const Block& row, int64_t i, bool wanted, float share, Vector maximum, Vector inverse,
                                const Messages& messages, const ColumnState& state) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto decay = hn::Set(f, messages.decay), factor = hn::Set(f, share);
  for_segments(row, i, [&](float* x, int64_t column, int64_t count) HWY_ATTR {
    float* products = state.products + column;
    for (int64_t k = 0; k < count; k += lanes) {
      const auto s = hn::LoadU(f, x + k), before = hn::LoadU(f, products + k);
      const auto after = hn::Mul(before, message(attention_of(s, maximum, inverse), decay));
      hn::StoreU(after, f, products + k);
      if (!wanted) continue;
      const auto bias = hn::LoadU(f, state.bias + column + k), own = log2(messages.exclude_self ? before : after);
      hn::StoreU(hn::MulAdd(factor, own, hn::MulAdd(factor, bias, s)), f, x + k);
    }
  });
}

void CausalLogarithmicRows(const Block& scores, const int64_t* visible, const Messages& messages,
                           const ColumnState& state, const float* row_max, const float* inverse_sum,
                           const float* fold_ratio, const float* shares, float* refined_logsumexp,
                           RowStatistics* statistics) {
  const Floats f;
  begin_columns(state, scores.columns);
  for (int64_t i = 0; i < scores.rows; ++i) {
    if (i > 0 && i % messages.fold == 0) renormalise(state, scores.columns);
    const Block row = visible_row(scores, i, visible[i]);
    const bool wanted = fold_ratio[i] == 0.0f;
    logarithmic_row(row, i, wanted, shares[i], hn::Set(f, row_max[i]), hn::Set(f, inverse_sum[i]), messages, state);
    fill_columns(scores, i, row.columns, scores.columns, 0.0f);
    if (!wanted) continue;
    const float maximum = row_maximum(row, i);
    const float sum = exponential_row(row, i, maximum, statistics ? statistics + i : nullptr);
    refined_logsumexp[i] = maximum + hn::GetLane(log2(hn::Set(f, sum)));
    scale_row(row, i, hn::Set(f, 1.0f / sum));
  }
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::attention::cpu {

HWY_EXPORT(CausalRows);
HWY_EXPORT(CausalLogarithmicRows);

void causal_rows(const Block& scores, const int64_t* visible, const Messages& messages, const ColumnState& state,
                 float* row_max, float* inverse_sum, float* row_total, CausalStatistics* statistics) {
  HWY_DYNAMIC_DISPATCH(CausalRows)(scores, visible, messages, state, row_max, inverse_sum, row_total, statistics);
}

void causal_logarithmic_rows(const Block& scores, const int64_t* visible, const Messages& messages,
                             const ColumnState& state, const float* row_max, const float* inverse_sum,
                             const float* fold_ratio, const float* shares, float* refined_logsumexp,
                             RowStatistics* statistics) {
  HWY_DYNAMIC_DISPATCH(CausalLogarithmicRows)
  (scores, visible, messages, state, row_max, inverse_sum, fold_ratio, shares, refined_logsumexp, statistics);
}

}  // namespace saobp::attention::cpu
#endif
