// Vector helpers of the fused kernels, compiled once for each instruction set (see hwy/foreach_target.h). All
// logarithms and exponentials are to base 2: the scores are scaled by log2 e when they are made, which spares a
// multiplication.

// clang-format off
#if defined(SAOBP_ATTENTION_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAOBP_ATTENTION_CPU_SIMD_INL_H_
#undef SAOBP_ATTENTION_CPU_SIMD_INL_H_
#else
#define SAOBP_ATTENTION_CPU_SIMD_INL_H_
#endif
// clang-format on

#include <c10/util/BFloat16.h>
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/layout.h"
#include "saobp/attention/dropout.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kLanes>;
using Vector = hn::Vec<Floats>;
using Words = hn::RebindToUnsigned<Floats>;

// Vectors of a tensor's elements as floats, and back. bfloat16 is the upper half of a float.
template <class Tag>
HWY_INLINE hn::Vec<Tag> load(Tag f, const float* from) {
  return hn::LoadU(f, from);
}

template <class Tag>
HWY_INLINE hn::Vec<Tag> load(Tag f, const c10::BFloat16* from) {
  const hn::Rebind<uint16_t, Tag> halves;
  const hn::RebindToUnsigned<Tag> words;
  const auto bits = hn::LoadU(halves, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(f, hn::ShiftLeft<16>(hn::PromoteTo(words, bits)));
}

template <class Tag>
HWY_INLINE void store(Tag f, hn::Vec<Tag> value, float* to) {
  hn::StoreU(value, f, to);
}

template <class Tag>
HWY_INLINE void store(Tag f, hn::Vec<Tag> value, c10::BFloat16* to) {
  const hn::Rebind<uint16_t, Tag> halves;
  const hn::RebindToUnsigned<Tag> words;
  const hn::RebindToSigned<Tag> integers;
  const auto bits = hn::BitCast(words, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(words, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(words, 0x7FFFu))));
  const auto quiet = hn::BitCast(f, hn::Set(words, 0x7FC0u));  // rounding could turn a NaN into an infinity
  const auto result = hn::IfThenElse(hn::IsNaN(value), quiet, hn::BitCast(f, rounded));
  hn::StoreU(hn::DemoteTo(halves, hn::BitCast(integers, result)), halves, reinterpret_cast<uint16_t*>(to));
}

// 2^x for x < 127; exactly 0 below −126 (so at −∞), NaN at NaN. Relative error 1e-7.
template <class Tag>
HWY_INLINE hn::Vec<Tag> exp2(Tag f, hn::Vec<Tag> x) {
  const hn::RebindToSigned<Tag> i;
  const auto tiny = hn::Lt(x, hn::Set(f, -126.0f));
  const auto clamped = hn::IfThenElse(tiny, hn::Set(f, -126.0f), x);
  const auto magic = hn::Set(f, 12582912.0f);  // 1.5·2^23: adding it rounds to an integer, held in the lowest bits
  const auto shifted = hn::Add(clamped, magic);
  const auto r = hn::Sub(clamped, hn::Sub(shifted, magic));  // in [−1/2, 1/2]
  // Minimax polynomial of 2^r.
  auto p = hn::MulAdd(hn::Set(f, 1.5353362e-4f), r, hn::Set(f, 1.3398874e-3f));
  p = hn::MulAdd(p, r, hn::Set(f, 9.6184370e-3f));
  p = hn::MulAdd(p, r, hn::Set(f, 5.5503324e-2f));
  p = hn::MulAdd(p, r, hn::Set(f, 2.4022648e-1f));
  p = hn::MulAdd(p, r, hn::Set(f, 6.9314720e-1f));
  p = hn::MulAdd(p, r, hn::Set(f, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(i, shifted));
  return hn::IfThenZeroElse(tiny, hn::BitCast(f, hn::Add(hn::BitCast(i, p), exponent)));
}
HWY_INLINE Vector exp2(Vector x) { return exp2(Floats(), x); }

// log2 x for x > 0, NaN at NaN (which Highway's own would swallow).
HWY_INLINE Vector log2(Vector x) { return hn::IfThenElse(hn::IsNaN(x), x, hn::Log2(Floats(), x)); }

// dropout.h: the 31 bits of each column, for the row whose key has the halves `low` and `high`.
HWY_INLINE hn::Vec<Words> dropout_bits(hn::Vec<Words> columns, hn::Vec<Words> low, hn::Vec<Words> high) {
  const Words w;
  auto x = hn::Add(columns, low);
  x = hn::Xor(hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(w, kDropoutHash1)), high);
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<15>(x)), hn::Set(w, kDropoutHash2));
  return hn::ShiftRight<1>(hn::Xor(x, hn::ShiftRight<16>(x)));
}

// The mask of one row, given its key and the original numbers of the columns.
class DropoutRow {
 public:
  HWY_INLINE DropoutRow(uint64_t key, uint32_t threshold)
      : low_(hn::Set(Words(), static_cast<uint32_t>(key))),
        high_(hn::Set(Words(), static_cast<uint32_t>(key >> 32))),
        below_threshold_(hn::Set(hn::RebindToSigned<Floats>(), static_cast<int32_t>(threshold) - 1)) {}

  HWY_INLINE hn::Mask<Floats> kept(const uint32_t* columns) const {
    const hn::RebindToSigned<Floats> i;
    const auto bits = hn::BitCast(i, dropout_bits(hn::LoadU(Words(), columns), low_, high_));
    return hn::RebindMask(Floats(), hn::Lt(below_threshold_, bits));
  }

 private:
  hn::Vec<Words> low_, high_;
  hn::Vec<hn::RebindToSigned<Floats>> below_threshold_;
};

// What tells one message from another: the factor that a row gives to its columns, and its gradient (CONTRIBUTING.md,
// "Adding things").
//
// u = 1 − tA as (1 − A) + e^{−λ}A, which keeps its digits when A is close to 1.
HWY_INLINE Vector message(Vector attention, Vector decay) {
  const auto one = hn::Set(Floats(), 1.0f);
  return hn::MulAdd(decay, attention, hn::Sub(one, attention));
}

// A dm/u for dm = ∂L/∂log u: ∂L/∂t is −Σ of it, and A ⊙ dA = −t times it.
HWY_INLINE Vector message_gradient(Vector attention, Vector dm, Vector decay) {
  return hn::Div(hn::Mul(attention, dm), message(attention, decay));
}

// A = 2^(S − max) / Σ. Maximum and sum are kept apart: their logsumexp would lose digits where scores are large.
HWY_INLINE Vector attention_of(Vector score, Vector maximum, Vector inverse_sum) {
  return hn::Mul(exp2(hn::Sub(score, maximum)), inverse_sum);
}

// S + c − m, with the own message m = log2 u taken out if it is excluded.
HWY_INLINE Vector refined_logit(Vector score, Vector column_bias, Vector attention, Vector decay, bool exclude_self) {
  const auto logit = hn::Add(score, column_bias);
  return exclude_self ? hn::Sub(logit, log2(message(attention, decay))) : logit;
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
