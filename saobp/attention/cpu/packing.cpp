#include "saobp/attention/cpu/packing.h"

#include <algorithm>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/packing.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/transpose-inl.h"

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
        columns, channels, Times{factor}, [&](int64_t n) { return rows[indices[start + n]]; },
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
        channels, std::min(kTileColumns, count - start), Times{factor},
        [&](int64_t d) { return tile + d * kTileColumns; }, [&](int64_t n) { return rows[indices[start + n]]; });
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
      count, channels, Unchanged(), [&](int64_t n) { return source + n * stride; },
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
