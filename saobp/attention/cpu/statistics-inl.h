// Entropy and squared norm of a row of weights, made while the row is in the nearest cache; included by the row loops,
// compiled for each target.

// clang-format off
#if defined(SAOBP_ATTENTION_CPU_STATISTICS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAOBP_ATTENTION_CPU_STATISTICS_INL_H_
#undef SAOBP_ATTENTION_CPU_STATISTICS_INL_H_
#else
#define SAOBP_ATTENTION_CPU_STATISTICS_INL_H_
#endif
// clang-format on

#include "saobp/attention/cpu/forward_rows.h"
#include "saobp/attention/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

inline constexpr float kLn2 = 0.69314718f;

// log2 x for positive normal x, with a relative error of 8e-6 (also near 1), a quarter of the work of log2. Finite for
// all other x: NaN and infinity have to be kept by a factor x.
HWY_INLINE Vector short_log2(Vector x) {
  const Floats f;
  const hn::RebindToSigned<Floats> i;
  // x = 2^n (1 + r) with 1 + r in [√½, √2); 0x3F3504F3 are the bits of √½.
  const auto bits = hn::Sub(hn::BitCast(i, x), hn::Set(i, 0x3F3504F3));
  const auto exponent = hn::ConvertTo(f, hn::ShiftRight<23>(bits));
  const auto fraction = hn::And(bits, hn::Set(i, 0x007FFFFF));
  const auto r = hn::Sub(hn::BitCast(f, hn::Add(fraction, hn::Set(i, 0x3F3504F3))), hn::Set(f, 1.0f));
  // Minimax polynomial of log2(1 + r) / r, for the relative error.
  auto p = hn::MulAdd(hn::Set(f, -0.20619105f), r, hn::Set(f, 0.31819990f));
  p = hn::MulAdd(p, r, hn::Set(f, -0.36649171f));
  p = hn::MulAdd(p, r, hn::Set(f, 0.47981185f));
  p = hn::MulAdd(p, r, hn::Set(f, -0.72120637f));
  p = hn::MulAdd(p, r, hn::Set(f, 1.44270158f));
  return hn::MulAdd(p, r, exponent);
}

// As exponential_row, bit for bit, with the statistics of e / Σ e:
//   entropy = ln 2 · (log2 Σ e − Σ e (x − max) / Σ e),  squared norm = Σ e² / (Σ e)²
HWY_INLINE float exponential_row(const Block& block, int64_t row, float row_max, RowStatistics* statistics) {
  if (!statistics) return exponential_row(block, row, row_max);
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto maximum = hn::Set(f, row_max), lowest = hn::Set(f, -200.0f);  // e is 0 there
  auto sum = hn::Zero(f), weighted = sum, squared = sum;
  for_segments(block, row, [&](float* x, int64_t, int64_t count) HWY_ATTR {
    auto first = hn::Zero(f), second = first, segment_weighted = first, segment_squared = first;
    const auto one = [&](int64_t k, Vector& target) HWY_ATTR {
      const auto difference = hn::Sub(hn::LoadU(f, x + k), maximum);
      const auto e = exp2(difference);
      target = hn::Add(target, e);
      segment_weighted = hn::MulAdd(e, hn::Max(difference, lowest), segment_weighted);
      segment_squared = hn::MulAdd(e, e, segment_squared);
      hn::StoreU(e, f, x + k);
    };
    int64_t k = 0;
    for (; k + 2 * lanes <= count; k += 2 * lanes) {
      one(k, first);
      one(k + lanes, second);
    }
    for (; k < count; k += lanes) one(k, first);
    sum = hn::Add(sum, hn::Add(first, second));
    weighted = hn::Add(weighted, segment_weighted);
    squared = hn::Add(squared, segment_squared);
  });
  const auto total = hn::SumOfLanes(f, sum);
  const auto inverse = hn::Div(hn::Set(f, 1.0f), total);
  const auto mean = hn::Mul(hn::SumOfLanes(f, weighted), inverse);
  statistics->entropy = kLn2 * hn::GetLane(hn::Sub(log2(total), mean));
  statistics->squared_norm = hn::GetLane(hn::Mul(hn::SumOfLanes(f, squared), hn::Mul(inverse, inverse)));
  return hn::GetLane(total);
}

// Σ y for y_k = p_k w_k (w null: all 1) and, if wanted, the statistics of y / Σ y:
//   entropy = ln 2 · (log2 Σ y − Σ y log2 y / Σ y),  squared norm = Σ y² / (Σ y)²
// The sum is the same, bit for bit, with and without them.
template <bool kStatistics>
HWY_INLINE float weighted_total(const Block& block, int64_t row, const float* column_weights,
                                RowStatistics* statistics) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  auto first = hn::Zero(f), second = first, weighted = first, squared = first;
  for_segments(block, row, [&](const float* p, int64_t column, int64_t count) HWY_ATTR {
    auto segment_weighted = hn::Zero(f), segment_squared = segment_weighted;
    const auto one = [&](int64_t k, Vector& sum) HWY_ATTR {
      const auto weight = column_weights ? hn::LoadU(f, column_weights + column + k) : hn::Set(f, 1.0f);
      const auto factor = hn::LoadU(f, p + k);
      sum = hn::MulAdd(factor, weight, sum);
      if constexpr (kStatistics) {
        const auto y = hn::Mul(factor, weight);
        segment_weighted = hn::MulAdd(y, short_log2(y), segment_weighted);
        segment_squared = hn::MulAdd(y, y, segment_squared);
      }
    };
    int64_t k = 0;
    for (; k + 2 * lanes <= count; k += 2 * lanes) {
      one(k, first);
      one(k + lanes, second);
    }
    for (; k < count; k += lanes) one(k, first);
    weighted = hn::Add(weighted, segment_weighted);
    squared = hn::Add(squared, segment_squared);
  });
  const auto total = hn::SumOfLanes(f, hn::Add(first, second));
  if constexpr (kStatistics) {
    const auto inverse = hn::Div(hn::Set(f, 1.0f), total);
    const auto mean = hn::Mul(hn::SumOfLanes(f, weighted), inverse);
    statistics->entropy = kLn2 * hn::GetLane(hn::Sub(log2(total), mean));
    statistics->squared_norm = hn::GetLane(hn::Mul(hn::Mul(hn::SumOfLanes(f, squared), inverse), inverse));
  }
  return hn::GetLane(total);
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
