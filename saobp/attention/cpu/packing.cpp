#include "saobp/attention/cpu/packing.h"

#include <algorithm>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/packing.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

using c10::BFloat16;

// to[n] = from[n] · factor
template <class From, class To>
HWY_INLINE void scale_row(const From* from, int64_t count, float factor, To* to) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto scale = hn::Set(f, factor);
  int64_t n = 0;
  for (; n + lanes <= count; n += lanes) store(f, hn::Mul(load(f, from + n), scale), to + n);
  for (; n < count; ++n) to[n] = static_cast<To>(static_cast<float>(from[n]) * factor);
}

// Transposes 4×4 elements: from[i] are four rows, to[j] four targets.
#if HWY_TARGET == HWY_SCALAR
template <class From, class To>
void transpose_4x4(const From* const from[4], To* const to[4], float factor) {
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 4; ++j) to[j][i] = static_cast<To>(static_cast<float>(from[i][j]) * factor);
  }
}
#else
template <class From, class To>
HWY_INLINE void transpose_4x4(const From* const from[4], To* const to[4], float factor) {
  const hn::FixedTag<float, 4> f;
  const hn::FixedTag<double, 2> pairs;
  const auto scale = hn::Set(f, factor);
  const auto r0 = hn::Mul(load(f, from[0]), scale), r1 = hn::Mul(load(f, from[1]), scale);
  const auto r2 = hn::Mul(load(f, from[2]), scale), r3 = hn::Mul(load(f, from[3]), scale);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(f, r0, r1));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(f, r0, r1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(f, r2, r3));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(f, r2, r3));
  store(f, hn::BitCast(f, hn::InterleaveLower(pairs, low01, low23)), to[0]);
  store(f, hn::BitCast(f, hn::InterleaveUpper(pairs, low01, low23)), to[1]);
  store(f, hn::BitCast(f, hn::InterleaveLower(pairs, high01, high23)), to[2]);
  store(f, hn::BitCast(f, hn::InterleaveUpper(pairs, high01, high23)), to[3]);
}
#endif

// to(j)[i] = from(i)[j] · factor for i < rows, j < columns.
template <class From, class To>
HWY_INLINE void transpose(int64_t rows, int64_t columns, float factor, From&& from, To&& to) {
  using Source = std::remove_reference_t<decltype(*from(0))>;
  using Target = std::remove_reference_t<decltype(*to(0))>;
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t i = 0; i < whole_rows; i += 4) {
    for (int64_t j = 0; j < whole_columns; j += 4) {
      Source* const sources[4] = {from(i) + j, from(i + 1) + j, from(i + 2) + j, from(i + 3) + j};
      Target* const targets[4] = {to(j) + i, to(j + 1) + i, to(j + 2) + i, to(j + 3) + i};
      transpose_4x4<std::remove_const_t<Source>, Target>(sources, targets, factor);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j) {
      to(j)[i] = static_cast<Target>(static_cast<float>(from(i)[j]) * factor);
    }
  }
}

template <class T>
HWY_INLINE void pack_rows_of(const Rows<const T>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                             float factor, float* target) {
  for (int64_t n = 0; n < count; ++n) scale_row(rows[indices[n]], channels, factor, target + n * channels);
}

template <class T>
HWY_INLINE void store_rows_of(const float* source, const uint32_t* indices, int64_t count, int64_t channels,
                              const float* factors, const Rows<T>& rows) {
  for (int64_t n = 0; n < count; ++n) scale_row(source + n * channels, channels, factors[n], rows[indices[n]]);
}

template <class T>
HWY_INLINE void pack_transposed_of(const Rows<const T>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                                   float factor, float* target) {
  for (int64_t start = 0; start < count; start += kTileColumns) {
    const int64_t columns = std::min(kTileColumns, count - start);
    float* tile = target + start * channels;
    transpose(
        columns, channels, factor, [&](int64_t n) { return rows[indices[start + n]]; },
        [&](int64_t d) { return tile + d * kTileColumns; });
    for (int64_t d = 0; d < channels; ++d) {
      std::fill(tile + d * kTileColumns + columns, tile + d * kTileColumns + round_up(columns, kLanes), 0.0f);
    }
  }
}

template <class T>
HWY_INLINE void unpack_transposed_of(const float* source, const uint32_t* indices, int64_t count, int64_t channels,
                                     float factor, const Rows<T>& rows) {
  for (int64_t start = 0; start < count; start += kTileColumns) {
    const float* tile = source + start * channels;
    transpose(
        channels, std::min(kTileColumns, count - start), factor, [&](int64_t d) { return tile + d * kTileColumns; },
        [&](int64_t n) { return rows[indices[start + n]]; });
  }
}

// Highway exports plain functions: one of each for each type.
#define SAOBP_PACKING(T, Name)                                                                                   \
  void PackRows##Name(const Rows<const T>& rows, const uint32_t* indices, int64_t count, int64_t channels,       \
                      float factor, float* target) {                                                             \
    pack_rows_of(rows, indices, count, channels, factor, target);                                                \
  }                                                                                                              \
  void StoreRows##Name(const float* source, const uint32_t* indices, int64_t count, int64_t channels,            \
                       const float* factors, const Rows<T>& rows) {                                              \
    store_rows_of(source, indices, count, channels, factors, rows);                                              \
  }                                                                                                              \
  void PackTransposed##Name(const Rows<const T>& rows, const uint32_t* indices, int64_t count, int64_t channels, \
                            float factor, float* target) {                                                       \
    pack_transposed_of(rows, indices, count, channels, factor, target);                                          \
  }                                                                                                              \
  void UnpackTransposed##Name(const float* source, const uint32_t* indices, int64_t count, int64_t channels,     \
                              float factor, const Rows<T>& rows) {                                               \
    unpack_transposed_of(source, indices, count, channels, factor, rows);                                        \
  }
SAOBP_PACKING(float, Float)
SAOBP_PACKING(BFloat16, BFloat16)
#undef SAOBP_PACKING

void TransposeBlock(const float* source, int64_t stride, int64_t count, int64_t channels, float* target, int64_t ld) {
  transpose(
      count, channels, 1.0f, [&](int64_t n) { return source + n * stride; },
      [&](int64_t d) { return target + d * ld; });
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::attention::cpu {

#define SAOBP_PACKING(T, Name)                                                                                         \
  HWY_EXPORT(PackRows##Name);                                                                                          \
  HWY_EXPORT(StoreRows##Name);                                                                                         \
  HWY_EXPORT(PackTransposed##Name);                                                                                    \
  HWY_EXPORT(UnpackTransposed##Name);                                                                                  \
  template <>                                                                                                          \
  void pack_rows(const Rows<const T>& rows, const uint32_t* indices, int64_t count, int64_t channels, float factor,    \
                 float* target) {                                                                                      \
    HWY_DYNAMIC_DISPATCH(PackRows##Name)(rows, indices, count, channels, factor, target);                              \
  }                                                                                                                    \
  template <>                                                                                                          \
  void store_rows(const float* source, const uint32_t* indices, int64_t count, int64_t channels, const float* factors, \
                  const Rows<T>& rows) {                                                                               \
    HWY_DYNAMIC_DISPATCH(StoreRows##Name)(source, indices, count, channels, factors, rows);                            \
  }                                                                                                                    \
  template <>                                                                                                          \
  void pack_transposed(const Rows<const T>& rows, const uint32_t* indices, int64_t count, int64_t channels,            \
                       float factor, float* target) {                                                                  \
    HWY_DYNAMIC_DISPATCH(PackTransposed##Name)(rows, indices, count, channels, factor, target);                        \
  }                                                                                                                    \
  template <>                                                                                                          \
  void unpack_transposed(const float* source, const uint32_t* indices, int64_t count, int64_t channels, float factor,  \
                         const Rows<T>& rows) {                                                                        \
    HWY_DYNAMIC_DISPATCH(UnpackTransposed##Name)(source, indices, count, channels, factor, rows);                      \
  }
SAOBP_PACKING(float, Float)
SAOBP_PACKING(c10::BFloat16, BFloat16)
#undef SAOBP_PACKING

HWY_EXPORT(TransposeBlock);

void transpose_block(const float* source, int64_t stride, int64_t count, int64_t channels, float* target, int64_t ld) {
  HWY_DYNAMIC_DISPATCH(TransposeBlock)(source, stride, count, channels, target, ld);
}

}  // namespace saobp::attention::cpu
#endif
