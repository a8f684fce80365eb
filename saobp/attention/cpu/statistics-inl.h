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

// log2 x for positive normal x, with a relative error of 1e-6 (also near 1). A third of the work of log2.
HWY_INLINE Vector short_log2(Vector x) {
  const Floats f;
  const hn::RebindToSigned<Floats> i;
  // x = 2^n (1 + r) with 1 + r in [√½, √2); 0x3F3504F3 are the bits of √½.
  const auto bits = hn::Sub(hn::BitCast(i, x), hn::Set(i, 0x3F3504F3));
  const auto exponent = hn::ConvertTo(f, hn::ShiftRight<23>(bits));
  const auto fraction = hn::And(bits, hn::Set(i, 0x007FFFFF));
  const auto r = hn::Sub(hn::BitCast(f, hn::Add(fraction, hn::Set(i, 0x3F3504F3))), hn::Set(f, 1.0f));
  // Minimax polynomial of log2(1 + r) / r, for the relative error.
  auto p = hn::MulAdd(hn::Set(f, 0.17162454f), r, hn::Set(f, -0.26932029f));
  p = hn::MulAdd(p, r, hn::Set(f, 0.29569955f));
  p = hn::MulAdd(p, r, hn::Set(f, -0.35937164f));
  p = hn::MulAdd(p, r, hn::Set(f, 0.48062677f));
  p = hn::MulAdd(p, r, hn::Set(f, -0.72136358f));
  p = hn::MulAdd(p, r, hn::Set(f, 1.44269645f));
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

// Of the weights b_k = p_k w_k · inverse_total, which sum to 1 (w null: all 1).
HWY_INLINE RowStatistics weight_statistics(const Block& block, int64_t row, const float* column_weights,
                                           float inverse_total) {
  const Floats f;
  const auto inverse = hn::Set(f, inverse_total), least = hn::Set(f, std::numeric_limits<float>::min());
  auto weighted = hn::Zero(f), squared = weighted;
  for_segments(block, row, [&](const float* p, int64_t column, int64_t count) HWY_ATTR {
    auto segment_weighted = hn::Zero(f), segment_squared = segment_weighted;
    for (int64_t k = 0; k < count; k += hn::Lanes(f)) {
      auto b = hn::Mul(hn::LoadU(f, p + k), inverse);
      if (column_weights) b = hn::Mul(b, hn::LoadU(f, column_weights + column + k));
      segment_weighted = hn::MulAdd(b, short_log2(hn::Max(b, least)), segment_weighted);
      segment_squared = hn::MulAdd(b, b, segment_squared);
    }
    weighted = hn::Add(weighted, segment_weighted);
    squared = hn::Add(squared, segment_squared);
  });
  return {-kLn2 * hn::GetLane(hn::SumOfLanes(f, weighted)), hn::GetLane(hn::SumOfLanes(f, squared))};
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
