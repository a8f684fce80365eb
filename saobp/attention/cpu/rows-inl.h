// What the vectorised loops over the rows of a block share; included after simd-inl.h, compiled for each target.

// clang-format off
#if defined(SAOBP_ATTENTION_CPU_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAOBP_ATTENTION_CPU_ROWS_INL_H_
#undef SAOBP_ATTENTION_CPU_ROWS_INL_H_
#else
#define SAOBP_ATTENTION_CPU_ROWS_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <limits>

#include "saobp/attention/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

inline constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Calls f(pointer, column, count) for each contiguous part of a row.
template <class F>
HWY_INLINE void for_segments(const Block& block, int64_t row, F&& f) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    f(row_segment(block, row, column), column, std::min(kTileColumns, block.columns - column));
  }
}

// Row[k] = value for k in [first, last).
template <class E>
HWY_INLINE void fill_columns(const BlockOf<E>& block, int64_t row, int64_t first, int64_t last, E value) {
  while (first < last) {
    const int64_t stop = std::min(last, (first / kTileColumns + 1) * kTileColumns);
    E* segment = row_segment(block, row, first);
    std::fill(segment + first % kTileColumns, segment + first % kTileColumns + (stop - first), value);
    first = stop;
  }
}

HWY_INLINE float row_maximum(const Block& block, int64_t row) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  auto first = hn::Set(f, kMinusInfinity), second = first;
  for_segments(block, row, [&](const float* x, int64_t, int64_t count) HWY_ATTR {
    int64_t k = 0;
    for (; k + 2 * lanes <= count; k += 2 * lanes) {
      first = hn::Max(first, hn::LoadU(f, x + k));
      second = hn::Max(second, hn::LoadU(f, x + k + lanes));
    }
    for (; k < count; k += lanes) first = hn::Max(first, hn::LoadU(f, x + k));
  });
  return hn::GetLane(hn::MaxOfLanes(f, hn::Max(first, second)));
}

// x → 2^(x − maximum); returns the sum. Each segment is added up by itself: small terms would be lost beside the sum of
// a long row.
HWY_INLINE float exponential_row(const Block& block, int64_t row, float row_max) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto maximum = hn::Set(f, row_max);
  auto sum = hn::Zero(f);
  for_segments(block, row, [&](float* x, int64_t, int64_t count) HWY_ATTR {
    auto first = hn::Zero(f), second = first;
    int64_t k = 0;
    for (; k + 2 * lanes <= count; k += 2 * lanes) {
      const auto e0 = exp2(hn::Sub(hn::LoadU(f, x + k), maximum));
      const auto e1 = exp2(hn::Sub(hn::LoadU(f, x + k + lanes), maximum));
      first = hn::Add(first, e0);
      second = hn::Add(second, e1);
      hn::StoreU(e0, f, x + k);
      hn::StoreU(e1, f, x + k + lanes);
    }
    for (; k < count; k += lanes) {
      const auto e = exp2(hn::Sub(hn::LoadU(f, x + k), maximum));
      first = hn::Add(first, e);
      hn::StoreU(e, f, x + k);
    }
    sum = hn::Add(sum, hn::Add(first, second));
  });
  return hn::GetLane(hn::SumOfLanes(f, sum));
}

HWY_INLINE void scale_row(const Block& block, int64_t row, Vector factor) {
  const Floats f;
  for_segments(block, row, [&](float* x, int64_t, int64_t count) HWY_ATTR {
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) hn::StoreU(hn::Mul(hn::LoadU(f, x + k), factor), f, x + k);
  });
}

// The last step of the backward pass on a row: dZ → dS = dZ − t (A dm/u − A Σ A dm/u), given `weighted` = A dm/u and
// its sum. The bracket is made first: for a key with A = 1 and a small u its two terms are huge and cancel.
HWY_INLINE void finish_row(const Block& attention, const Block& gradient, int64_t row, const float* weighted, float t,
                           float sum) {
  const Floats f;
  const auto factor = hn::Set(f, t), total = hn::Set(f, sum);
  for_segments(attention, row, [&](const float* a, int64_t column, int64_t count) HWY_ATTR {
    float* g = row_segment(gradient, row, column);
    const float* w = weighted + column;
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
      const auto difference = hn::NegMulAdd(hn::LoadU(f, a + k), total, hn::LoadU(f, w + k));
      hn::StoreU(hn::NegMulAdd(factor, difference, hn::LoadU(f, g + k)), f, g + k);
    }
  });
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
