#include "saobp/attention/cpu/elemmul_rows.h"

#include <algorithm>
#include <limits>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/elemmul_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

// Calls f(first column, count) for each tile of the block.
template <class F>
HWY_INLINE void for_tiles(const Block& block, F&& f) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    f(column, std::min(kTileColumns, block.columns - column));
  }
}

void fill_from(const Block& block, int64_t row, int64_t first, float value) {
  for (int64_t k = first; k < block.columns;) {
    float* segment = row_segment(block, row, k);
    const int64_t stop = std::min(k / kTileColumns * kTileColumns + kTileColumns, block.columns);
    std::fill(segment + k % kTileColumns, segment + k % kTileColumns + (stop - k), value);
    k = stop;
  }
}

void hide(const Block& scores, int64_t row, int64_t visible) {
  fill_from(scores, row, visible, -std::numeric_limits<float>::infinity());
}

void AttentionAgain(const Block& scores, const uint32_t* visible, const float* row_max, const float* inverse_sum) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  for (int64_t i = 0; i < scores.rows; ++i) {
    hide(scores, i, visible[i]);
    const auto maximum = hn::Set(f, row_max[i]), inverse = hn::Set(f, inverse_sum[i]);
    for_tiles(scores, [&](int64_t column, int64_t count) HWY_ATTR {
      float* x = row_segment(scores, i, column);
      for (int64_t k = 0; k < count; k += lanes) {
        hn::StoreU(attention_of(hn::LoadU(f, x + k), maximum, inverse), f, x + k);
      }
    });
  }
}

// kVectors neighbouring vectors of columns, all rows: the sums stay in registers.
template <int kVectors>
HWY_INLINE void add_strip(const float* x, int64_t rows, const float* row_weights, double* sum) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  Vector total[kVectors];
  for (auto& t : total) t = hn::Zero(f);
  for (int64_t i = 0; i < rows; ++i) {
    const auto weight = hn::Set(f, row_weights[i]);
    for (int v = 0; v < kVectors; ++v) {
      total[v] = hn::MulAdd(weight, hn::LoadU(f, x + i * kTileColumns + v * lanes), total[v]);
    }
  }
  HWY_ALIGN float totals[kVectors * kLanes];
  for (int v = 0; v < kVectors; ++v) hn::Store(total[v], f, totals + v * lanes);
  for (int64_t k = 0; k < kVectors * lanes; ++k) sum[k] += totals[k];
}

void AddColumns(const Block& x, const float* row_weights, double* sum) {
  const int64_t lanes = hn::Lanes(Floats());
  for (int64_t column = 0; column < x.columns;) {
    const float* strip = row_segment(x, 0, column) + column % kTileColumns;
    const int64_t left = std::min(kTileColumns - column % kTileColumns, x.columns - column);
    const int64_t vectors = left >= 4 * lanes ? 4 : 1;
    (vectors == 4 ? add_strip<4> : add_strip<1>)(strip, x.rows, row_weights, sum + column);
    column += vectors * lanes;
  }
}

HWY_INLINE Vector row_maximum(const Block& block, int64_t row) {
  const Floats f;
  auto maximum = hn::Set(f, -std::numeric_limits<float>::infinity());
  for_tiles(block, [&](int64_t column, int64_t count) HWY_ATTR {
    const float* x = row_segment(block, row, column);
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) maximum = hn::Max(maximum, hn::LoadU(f, x + k));
  });
  return hn::MaxOfLanes(f, maximum);
}

// x → 2^(x − maximum); returns the inverse of their sum.
HWY_INLINE Vector exponentials_of_row(const Block& block, int64_t row, Vector maximum) {
  const Floats f;
  auto sum = hn::Zero(f);
  for_tiles(block, [&](int64_t column, int64_t count) HWY_ATTR {
    float* x = row_segment(block, row, column);
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
      const auto e = exp2(hn::Sub(hn::LoadU(f, x + k), maximum));
      sum = hn::Add(sum, e);
      hn::StoreU(e, f, x + k);
    }
  });
  return hn::Div(hn::Set(f, 1.0f), hn::SumOfLanes(f, sum));
}

void CausalAttention(const Block& scores, const uint32_t* visible, const float* base, float* running, float* row_max,
                     float* inverse_sum, float* z) {
  const Floats f;
  for (int64_t i = 0; i < scores.rows; ++i) {
    if (visible[i] == 0) {
      fill_from(scores, i, 0, 0.0f);
      row_max[i] = inverse_sum[i] = 0.0f;
      z[i] = 1.0f;
      continue;
    }
    hide(scores, i, visible[i]);
    const auto maximum = row_maximum(scores, i);
    const auto inverse = exponentials_of_row(scores, i, maximum);
    auto total = hn::Zero(f);
    for_tiles(scores, [&](int64_t column, int64_t count) HWY_ATTR {
      float* x = row_segment(scores, i, column);
      for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
        const auto a = hn::Mul(hn::LoadU(f, x + k), inverse);
        const auto sum = hn::Add(hn::LoadU(f, running + column + k), a);
        total = hn::MulAdd(a, hn::Add(hn::LoadU(f, base + column + k), sum), total);
        hn::StoreU(sum, f, running + column + k);
        hn::StoreU(a, f, x + k);
      }
    });
    row_max[i] = hn::GetLane(maximum);
    inverse_sum[i] = hn::GetLane(inverse);
    z[i] = hn::GetLane(hn::SumOfLanes(f, total));
  }
}

// With Σ A x and Σ A of the row: x → A (x − E). Dividing by Σ A leaves no rounding where one key has all the weight.
HWY_INLINE void subtract_mean(const Block& attention, const Block& x, int64_t row, Vector weighted, Vector weight) {
  const Floats f;
  const float sum = hn::GetLane(hn::SumOfLanes(f, weight));
  if (sum == 0) return fill_from(x, row, 0, 0.0f);
  const auto mean = hn::Div(hn::SumOfLanes(f, weighted), hn::Set(f, sum));
  for_tiles(attention, [&](int64_t column, int64_t count) HWY_ATTR {
    const float* a = row_segment(attention, row, column);
    float* target = row_segment(x, row, column);
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
      hn::StoreU(hn::Mul(hn::LoadU(f, a + k), hn::Sub(hn::LoadU(f, target + k), mean)), f, target + k);
    }
  });
}

// x_jk → A (x' − E) with x'_jk = addend(x_jk, A_jk, k). Each tile is added up by itself: small terms would be lost
// beside the one large weight of a row that looks at one key.
template <class Addend>
HWY_INLINE void gradient_row(const Block& attention, const Block& x, int64_t row, Addend&& addend) {
  const Floats f;
  auto weighted = hn::Zero(f), weight = weighted;
  for_tiles(attention, [&](int64_t column, int64_t count) HWY_ATTR {
    const float* a_row = row_segment(attention, row, column);
    float* x_row = row_segment(x, row, column);
    auto tile_weighted = hn::Zero(f), tile_weight = tile_weighted;
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
      const auto a = hn::LoadU(f, a_row + k);
      const auto sum = addend(hn::LoadU(f, x_row + k), a, column + k);
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
    gradient_row(attention, x, i, [&](Vector y, Vector, int64_t k) HWY_ATTR {
      return hn::Add(y, hn::MulAdd(row_dz, hn::LoadU(f, s + k), hn::LoadU(f, ds + k)));
    });
  }
}

void SoftmaxGradient(const Block& attention, const Block& x) {
  for (int64_t i = 0; i < attention.rows; ++i) {
    gradient_row(attention, x, i, [](Vector y, Vector, int64_t) HWY_ATTR { return y; });
  }
}

void CausalLeftGradient(const Block& attention, const Block& x, const float* dz, const float* base, float* running) {
  const Floats f;
  for (int64_t i = 0; i < attention.rows; ++i) {
    const auto row_dz = hn::Set(f, dz[i]);
    for_tiles(attention, [&](int64_t column, int64_t count) HWY_ATTR {
      const float* a_row = row_segment(attention, i, column);
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
    gradient_row(attention, x, i, [&](Vector y, Vector a, int64_t k) HWY_ATTR {
      const auto sum = hn::MulAdd(row_dz, a, hn::LoadU(f, running + k));
      hn::StoreU(sum, f, running + k);
      return hn::Add(y, hn::Add(hn::LoadU(f, base + k), sum));
    });
  }
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::attention::cpu {

HWY_EXPORT(AttentionAgain);
HWY_EXPORT(AddColumns);
HWY_EXPORT(CausalAttention);
HWY_EXPORT(EncoderScoreGradient);
HWY_EXPORT(SoftmaxGradient);
HWY_EXPORT(CausalLeftGradient);
HWY_EXPORT(CausalRightGradient);

void attention_again(const Block& scores, const uint32_t* visible, const float* row_max, const float* inverse_sum) {
  HWY_DYNAMIC_DISPATCH(AttentionAgain)(scores, visible, row_max, inverse_sum);
}

void add_columns(const Block& x, const float* row_weights, double* sum) {
  HWY_DYNAMIC_DISPATCH(AddColumns)(x, row_weights, sum);
}

void causal_attention(const Block& scores, const uint32_t* visible, const float* base, float* running, float* row_max,
                      float* inverse_sum, float* z) {
  HWY_DYNAMIC_DISPATCH(CausalAttention)(scores, visible, base, running, row_max, inverse_sum, z);
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
