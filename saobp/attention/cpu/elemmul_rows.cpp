#include "saobp/attention/cpu/elemmul_rows.h"

#include <algorithm>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/elemmul_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/rows-inl.h"
#include "saobp/attention/cpu/statistics-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

void AttentionAgain(const Block& scores, int64_t column, int64_t real_columns, const int64_t* visible,
                    const float* row_max, const float* inverse_sum) {
  const Floats f;
  for (int64_t i = 0; i < scores.rows; ++i) {
    const int64_t seen = (visible ? visible[i] : real_columns) - column;
    fill_columns(scores, i, std::max<int64_t>(seen, 0), scores.columns, kMinusInfinity);
    const auto maximum = hn::Set(f, row_max[i]), inverse = hn::Set(f, inverse_sum[i]);
    for_segments(scores, i, [&](float* x, int64_t, int64_t count) HWY_ATTR {
      for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
        hn::StoreU(attention_of(hn::LoadU(f, x + k), maximum, inverse), f, x + k);
      }
    });
  }
}

// kVectors neighbouring vectors of columns, all rows: the sums stay in registers.
template <int kVectors>
HWY_INLINE void add_strip(const float* x, int64_t rows, const float* row_weights, bool backwards, double* sum) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  Vector total[kVectors];
  for (auto& t : total) t = hn::Zero(f);
  for (int64_t n = 0; n < rows; ++n) {
    const int64_t i = backwards ? rows - 1 - n : n;
    const auto weight = hn::Set(f, row_weights ? row_weights[i] : 1.0f);
    for (int v = 0; v < kVectors; ++v) {
      total[v] = hn::MulAdd(weight, hn::LoadU(f, x + i * kTileColumns + v * lanes), total[v]);
    }
  }
  HWY_ALIGN float totals[kVectors * kLanes];
  for (int v = 0; v < kVectors; ++v) hn::Store(total[v], f, totals + v * lanes);
  for (int64_t k = 0; k < kVectors * lanes; ++k) sum[k] += totals[k];
}

void AddColumns(const Block& x, const float* row_weights, bool backwards, double* sum) {
  const int64_t lanes = hn::Lanes(Floats());
  for (int64_t column = 0; column < x.columns;) {
    const float* strip = row_segment(x, 0, column) + column % kTileColumns;
    const int64_t left = std::min(kTileColumns - column % kTileColumns, x.columns - column);
    const int64_t vectors = left >= 4 * lanes ? 4 : 1;
    (vectors == 4 ? add_strip<4> : add_strip<1>)(strip, x.rows, row_weights, backwards, sum + column);
    column += vectors * lanes;
  }
}

// e → A, added to the running sums. Returns Σ A (base + running).
HWY_INLINE float normalise_row(const Block& block, int64_t row, float inverse_sum, const float* base, float* running) {
  const Floats f;
  const auto inverse = hn::Set(f, inverse_sum);
  auto total = hn::Zero(f);
  for_segments(block, row, [&](float* x, int64_t column, int64_t count) HWY_ATTR {
    auto segment_total = hn::Zero(f);
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
      const auto a = hn::Mul(hn::LoadU(f, x + k), inverse);
      const auto sum = hn::Add(hn::LoadU(f, running + column + k), a);
      segment_total = hn::MulAdd(a, hn::Add(hn::LoadU(f, base + column + k), sum), segment_total);
      hn::StoreU(sum, f, running + column + k);
      hn::StoreU(a, f, x + k);
    }
    total = hn::Add(total, segment_total);
  });
  return hn::GetLane(hn::SumOfLanes(f, total));
}

void CausalElemmulRows(const Block& scores, const int64_t* visible, const float* base, float* running, float* row_max,
                       float* inverse_sum, float* z, RowStatistics* statistics) {
  for (int64_t i = 0; i < scores.rows; ++i) {
    fill_columns(scores, i, visible[i], scores.columns, kMinusInfinity);
    row_max[i] = row_maximum(scores, i);
    inverse_sum[i] = 1.0f / exponential_row(scores, i, row_max[i], statistics ? statistics + i : nullptr);
    z[i] = normalise_row(scores, i, inverse_sum[i], base, running);
  }
}

// With Σ A x and Σ A of the row: x → A (x − E). Dividing by Σ A leaves no rounding where one key has all the weight.
HWY_INLINE void subtract_mean(const Block& attention, const Block& x, int64_t row, Vector weighted, Vector weight) {
  const Floats f;
  const auto mean = hn::Div(hn::SumOfLanes(f, weighted), hn::SumOfLanes(f, weight));
  for_segments(attention, row, [&](const float* a, int64_t column, int64_t count) HWY_ATTR {
    float* target = row_segment(x, row, column);
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
      hn::StoreU(hn::Mul(hn::LoadU(f, a + k), hn::Sub(hn::LoadU(f, target + k), mean)), f, target + k);
    }
  });
}

// x_jk → A (x' − E) with x'_jk = addend(x_jk, k). Each tile is added up by itself: small terms would be lost
// beside the one large weight of a row that looks at one key.
template <class Addend>
HWY_INLINE void gradient_row(const Block& attention, const Block& x, int64_t row, Addend&& addend) {
  const Floats f;
  auto weighted = hn::Zero(f), weight = weighted;
  for_segments(attention, row, [&](const float* a_row, int64_t column, int64_t count) HWY_ATTR {
    float* x_row = row_segment(x, row, column);
    auto tile_weighted = hn::Zero(f), tile_weight = tile_weighted;
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
      const auto a = hn::LoadU(f, a_row + k);
      const auto sum = addend(hn::LoadU(f, x_row + k), column + k);
      tile_weighted = hn::MulAdd(a, sum, tile_weighted);
      tile_weight = hn::Add(tile_weight, a);
      hn::StoreU(sum, f, x_row + k);
    }
    weighted = hn::Add(weighted, tile_weighted);
    weight = hn::Add(weight, tile_weight);
  });
  subtract_mean(attention, x, row, weighted, weight);
}

void EncoderScoreGradient(const Block& attention, const Block& x, const float* dz, const float* s, const float* ds) {
  const Floats f;
  for (int64_t i = 0; i < attention.rows; ++i) {
    const auto row_dz = hn::Set(f, dz[i]);
    gradient_row(attention, x, i, [&](Vector y, int64_t k) HWY_ATTR {
      return hn::Add(y, hn::MulAdd(row_dz, hn::LoadU(f, s + k), hn::LoadU(f, ds + k)));
    });
  }
}

void SoftmaxGradient(const Block& attention, const Block& x) {
  for (int64_t i = 0; i < attention.rows; ++i) {
    gradient_row(attention, x, i, [](Vector y, int64_t) HWY_ATTR { return y; });
  }
}

void CausalLeftGradient(const Block& attention, const Block& x, const float* dz, const float* base, float* running) {
  const Floats f;
  for (int64_t i = 0; i < attention.rows; ++i) {
    const auto row_dz = hn::Set(f, dz[i]);
    for_segments(attention, i, [&](const float* a_row, int64_t column, int64_t count) HWY_ATTR {
      float* x_row = row_segment(x, i, column);
      for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
        const auto sum = hn::Add(hn::LoadU(f, running + column + k), hn::LoadU(f, a_row + k));
        const auto s = hn::Add(hn::LoadU(f, base + column + k), sum);
        hn::StoreU(sum, f, running + column + k);
        hn::StoreU(hn::MulAdd(row_dz, s, hn::LoadU(f, x_row + k)), f, x_row + k);
      }
    });
  }
}

void CausalRightGradient(const Block& attention, const Block& x, const float* dz, const float* base, float* running) {
  const Floats f;
  for (int64_t i = attention.rows; i-- > 0;) {
    const auto row_dz = hn::Set(f, dz[i]);
    for_segments(attention, i, [&](const float* a_row, int64_t column, int64_t count) HWY_ATTR {
      float* x_row = row_segment(x, i, column);
      for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
        const auto sum = hn::MulAdd(row_dz, hn::LoadU(f, a_row + k), hn::LoadU(f, running + column + k));
        const auto u = hn::Add(hn::LoadU(f, base + column + k), sum);
        hn::StoreU(sum, f, running + column + k);
        hn::StoreU(hn::Add(hn::LoadU(f, x_row + k), u), f, x_row + k);
      }
    });
  }
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::attention::cpu {

HWY_EXPORT(AttentionAgain);
HWY_EXPORT(AddColumns);
HWY_EXPORT(CausalElemmulRows);
HWY_EXPORT(EncoderScoreGradient);
HWY_EXPORT(SoftmaxGradient);
HWY_EXPORT(CausalLeftGradient);
HWY_EXPORT(CausalRightGradient);

void attention_again(const Block& scores, int64_t column, int64_t real_columns, const int64_t* visible,
                     const float* row_max, const float* inverse_sum) {
  HWY_DYNAMIC_DISPATCH(AttentionAgain)(scores, column, real_columns, visible, row_max, inverse_sum);
}

void add_columns(const Block& x, const float* row_weights, double* sum, bool backwards) {
  HWY_DYNAMIC_DISPATCH(AddColumns)(x, row_weights, backwards, sum);
}

void causal_elemmul_rows(const Block& scores, const int64_t* visible, const float* base, float* running, float* row_max,
                         float* inverse_sum, float* z, RowStatistics* statistics) {
  HWY_DYNAMIC_DISPATCH(CausalElemmulRows)(scores, visible, base, running, row_max, inverse_sum, z, statistics);
}

void encoder_score_gradient(const Block& attention, const Block& x, const float* dz, const float* s, const float* ds) {
  HWY_DYNAMIC_DISPATCH(EncoderScoreGradient)(attention, x, dz, s, ds);
}

void softmax_gradient(const Block& attention, const Block& x) { HWY_DYNAMIC_DISPATCH(SoftmaxGradient)(attention, x); }

void causal_left_gradient(const Block& attention, const Block& x, const float* dz, const float* base, float* running) {
  HWY_DYNAMIC_DISPATCH(CausalLeftGradient)(attention, x, dz, base, running);
}

void causal_right_gradient(const Block& attention, const Block& x, const float* dz, const float* base, float* running) {
  HWY_DYNAMIC_DISPATCH(CausalRightGradient)(attention, x, dz, base, running);
}

}  // namespace saobp::attention::cpu
#endif
