// Transposes matrices by squares of 4×4 elements, compiled for each target.

// clang-format off
#if defined(SAOBP_ATTENTION_CPU_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAOBP_ATTENTION_CPU_TRANSPOSE_INL_H_
#undef SAOBP_ATTENTION_CPU_TRANSPOSE_INL_H_
#else
#define SAOBP_ATTENTION_CPU_TRANSPOSE_INL_H_
#endif
// clang-format on

#include "saobp/attention/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

// Elements as they are, or times a factor. Bits pass the former unchanged: two bfloat16 may pose as one float.
struct Unchanged {
  template <class V>
  HWY_INLINE V operator()(V value) const {
    return value;
  }
};

struct Times {
  float factor;
  template <class V>
  HWY_INLINE V operator()(V value) const {
    return hn::Mul(value, hn::Set(hn::DFromV<V>(), factor));
  }
  HWY_INLINE float operator()(float value) const { return value * factor; }
};

// from[i] are four rows, to[j] four targets.
template <class From, class To, class Change>
HWY_INLINE void transpose_4x4(const From* const from[4], To* const to[4], Change change) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 4; ++j) to[j][i] = static_cast<To>(change(static_cast<float>(from[i][j])));
  }
#else
  const hn::FixedTag<float, 4> f;
  const hn::FixedTag<double, 2> pairs;
  const auto r0 = change(load(f, from[0])), r1 = change(load(f, from[1]));
  const auto r2 = change(load(f, from[2])), r3 = change(load(f, from[3]));
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(f, r0, r1));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(f, r0, r1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(f, r2, r3));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(f, r2, r3));
  store(f, hn::BitCast(f, hn::InterleaveLower(pairs, low01, low23)), to[0]);
  store(f, hn::BitCast(f, hn::InterleaveUpper(pairs, low01, low23)), to[1]);
  store(f, hn::BitCast(f, hn::InterleaveLower(pairs, high01, high23)), to[2]);
  store(f, hn::BitCast(f, hn::InterleaveUpper(pairs, high01, high23)), to[3]);
#endif
}

// to(j)[i] = change(from(i)[j]) for i < rows, j < columns.
template <class Change, class From, class To>
HWY_INLINE void transpose(int64_t rows, int64_t columns, Change change, From&& from, To&& to) {
  using Source = std::remove_reference_t<decltype(*from(0))>;
  using Target = std::remove_reference_t<decltype(*to(0))>;
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t i = 0; i < whole_rows; i += 4) {
    for (int64_t j = 0; j < whole_columns; j += 4) {
      Source* const sources[4] = {from(i) + j, from(i + 1) + j, from(i + 2) + j, from(i + 3) + j};
      Target* const targets[4] = {to(j) + i, to(j + 1) + i, to(j + 2) + i, to(j + 3) + i};
      transpose_4x4<std::remove_const_t<Source>, Target>(sources, targets, change);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j) {
      to(j)[i] = static_cast<Target>(change(static_cast<float>(from(i)[j])));
    }
  }
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
