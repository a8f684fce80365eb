#include "saobp/attention/cpu/forward_rows.h"

#include <algorithm>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/forward_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/rows-inl.h"
#include "saobp/attention/cpu/statistics-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

// visible: null where every row sees all real columns.
void Exponentials(const Block& scores, int64_t real_columns, const int64_t* visible, float* row_max, float* inverse_sum,
                  RowStatistics* statistics) {
  for (int64_t i = 0; i < scores.rows; ++i) {
    fill_columns(scores, i, visible ? visible[i] : real_columns, scores.columns, kMinusInfinity);
    row_max[i] = row_maximum(scores, i);
    inverse_sum[i] = 1.0f / exponential_row(scores, i, row_max[i], statistics ? statistics + i : nullptr);
  }
}

void Powers(const float* exponents, int64_t count, float* weights) {
  const Floats f;
  for (int64_t k = 0; k < count; k += hn::Lanes(f)) hn::StoreU(exp2(hn::LoadU(f, exponents + k)), f, weights + k);
}

// kVectors neighbouring vectors of columns, all rows: the products stay in registers.
template <int kVectors, bool kDivide>
HWY_INLINE void fold_strip(float* e, int64_t rows, const float* inverse_sum, const Messages& messages,
                           double* column_sum) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto decay = hn::Set(f, messages.decay);
  for (int64_t start = 0; start < rows; start += messages.fold) {
    const int64_t stop = std::min(rows, start + messages.fold);
    Vector product[kVectors];
    for (auto& p : product) p = hn::Set(f, 1.0f);
    for (int64_t i = start; i < stop; ++i) {
      const auto inverse = hn::Set(f, inverse_sum[i]);
      for (int v = 0; v < kVectors; ++v) {
        float* x = e + i * kTileColumns + v * lanes;
        const auto loaded = hn::LoadU(f, x);
        const auto u = message(hn::Mul(loaded, inverse), decay);
        product[v] = hn::Mul(product[v], u);
        if (kDivide) hn::StoreU(hn::Div(loaded, u), f, x);
      }
    }
    HWY_ALIGN float logarithms[kVectors * kLanes];
    for (int v = 0; v < kVectors; ++v) hn::Store(log2(product[v]), f, logarithms + v * lanes);
    for (int64_t k = 0; k < kVectors * lanes; ++k) column_sum[k] += logarithms[k];
  }
}

template <bool kDivide>
void fold_block(const Block& e, const float* inverse_sum, const Messages& messages, double* column_sum) {
  const int64_t lanes = hn::Lanes(Floats());
  for (int64_t column = 0; column < e.columns;) {
    float* x = row_segment(e, 0, column) + column % kTileColumns;
    const int64_t left = std::min(kTileColumns - column % kTileColumns, e.columns - column);
    const int64_t vectors = left >= 4 * lanes ? 4 : 1;
    if (vectors == 4) {
      fold_strip<4, kDivide>(x, e.rows, inverse_sum, messages, column_sum + column);
    } else {
      fold_strip<1, kDivide>(x, e.rows, inverse_sum, messages, column_sum + column);
    }
    column += vectors * lanes;
  }
}

void FoldMessages(const Block& e, const float* inverse_sum, const Messages& messages, double* column_sum) {
  if (messages.exclude_self) {
    fold_block<true>(e, inverse_sum, messages, column_sum);
  } else {
    fold_block<false>(e, inverse_sum, messages, column_sum);
  }
}

void WeightedTotals(const Block& p, const float* column_weights, float* row_total, RowStatistics* statistics) {
  for (int64_t i = 0; i < p.rows; ++i) {
    row_total[i] = statistics ? weighted_total<true>(p, i, column_weights, statistics + i)
                              : weighted_total<false>(p, i, column_weights, nullptr);
  }
}

void Drop(const Block& weights, const DropoutBlock& dropout) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  for (int64_t i = 0; i < weights.rows; ++i) {
    const DropoutRow row(dropout.row_keys[i], dropout.threshold);
    for_segments(weights, i, [&](float* x, int64_t column, int64_t count) HWY_ATTR {
      for (int64_t k = 0; k < count; k += lanes) {
        hn::StoreU(hn::IfThenElseZero(row.kept(dropout.columns + column + k), hn::LoadU(f, x + k)), f, x + k);
      }
    });
  }
}

void RefineByLogarithms(const Block& scores, int64_t real_columns, const float* row_max, const float* inverse_sum,
                        const float* column_bias, const Messages& messages, float* refined_logsumexp,
                        RowStatistics* statistics) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto decay = hn::Set(f, messages.decay);
  for (int64_t i = 0; i < scores.rows; ++i) {
    fill_columns(scores, i, real_columns, scores.columns, kMinusInfinity);
    const auto maximum = hn::Set(f, row_max[i]), inverse = hn::Set(f, inverse_sum[i]);
    for_segments(scores, i, [&](float* x, int64_t column, int64_t count) HWY_ATTR {
      for (int64_t k = 0; k < count; k += lanes) {
        const auto s = hn::LoadU(f, x + k);
        const auto bias = hn::LoadU(f, column_bias + column + k);
        hn::StoreU(refined_logit(s, bias, attention_of(s, maximum, inverse), decay, messages.exclude_self), f, x + k);
      }
    });
  }
  float refined_max[kTileRows], refined_inverse[kTileRows];
  Exponentials(scores, real_columns, nullptr, refined_max, refined_inverse, statistics);
  for (int64_t i = 0; i < scores.rows; ++i) {
    const auto inverse = hn::Set(f, refined_inverse[i]);
    refined_logsumexp[i] = refined_max[i] - hn::GetLane(log2(inverse));
    scale_row(scores, i, inverse);
  }
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::attention::cpu {

HWY_EXPORT(Exponentials);
HWY_EXPORT(Powers);
HWY_EXPORT(FoldMessages);
HWY_EXPORT(WeightedTotals);
HWY_EXPORT(Drop);
HWY_EXPORT(RefineByLogarithms);

void exponentials(const Block& scores, int64_t real_columns, float* row_max, float* inverse_sum,
                  RowStatistics* statistics) {
  HWY_DYNAMIC_DISPATCH(Exponentials)(scores, real_columns, nullptr, row_max, inverse_sum, statistics);
}

void exponentials(const Block& scores, const int64_t* visible, float* row_max, float* inverse_sum,
                  RowStatistics* statistics) {
  HWY_DYNAMIC_DISPATCH(Exponentials)(scores, 0, visible, row_max, inverse_sum, statistics);
}

void powers(const float* exponents, int64_t count, float* weights) {
  HWY_DYNAMIC_DISPATCH(Powers)(exponents, count, weights);
}

void fold_messages(const Block& e, const float* inverse_sum, const Messages& messages, double* column_sum) {
  HWY_DYNAMIC_DISPATCH(FoldMessages)(e, inverse_sum, messages, column_sum);
}

void weighted_totals(const Block& p, const float* column_weights, float* row_total, RowStatistics* statistics) {
  HWY_DYNAMIC_DISPATCH(WeightedTotals)(p, column_weights, row_total, statistics);
}

void drop(const Block& weights, const DropoutBlock& dropout) { HWY_DYNAMIC_DISPATCH(Drop)(weights, dropout); }

void refine_by_logarithms(const Block& scores, int64_t real_columns, const float* row_max, const float* inverse_sum,
                          const float* column_bias, const Messages& messages, float* refined_logsumexp,
                          RowStatistics* statistics) {
  HWY_DYNAMIC_DISPATCH(RefineByLogarithms)
  (scores, real_columns, row_max, inverse_sum, column_bias, messages, refined_logsumexp, statistics);
}

}  // namespace saobp::attention::cpu
#endif
