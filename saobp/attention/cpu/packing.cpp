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

// Transposes 4×4 floats: from[i] are four rows, to[j] four targets.
#if HWY_TARGET == HWY_SCALAR
void transpose_4x4(const float* const from[4], float* const to[4], float factor) {
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 4; ++j) to[j][i] = from[i][j] * factor;
  }
}
#else
HWY_INLINE void transpose_4x4(const float* const from[4], float* const to[4], float factor) {
  const hn::FixedTag<float, 4> f;
  const hn::FixedTag<double, 2> pairs;
  const auto scale = hn::Set(f, factor);
  const auto r0 = hn::Mul(hn::LoadU(f, from[0]), scale), r1 = hn::Mul(hn::LoadU(f, from[1]), scale);
  const auto r2 = hn::Mul(hn::LoadU(f, from[2]), scale), r3 = hn::Mul(hn::LoadU(f, from[3]), scale);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(f, r0, r1));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(f, r0, r1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(f, r2, r3));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(f, r2, r3));
  hn::StoreU(hn::BitCast(f, hn::InterleaveLower(pairs, low01, low23)), f, to[0]);
  hn::StoreU(hn::BitCast(f, hn::InterleaveUpper(pairs, low01, low23)), f, to[1]);
  hn::StoreU(hn::BitCast(f, hn::InterleaveLower(pairs, high01, high23)), f, to[2]);
  hn::StoreU(hn::BitCast(f, hn::InterleaveUpper(pairs, high01, high23)), f, to[3]);
}
#endif

// to(j)[i] = from(i)[j] · factor for i < rows, j < columns.
template <class From, class To>
HWY_INLINE void transpose(int64_t rows, int64_t columns, float factor, From&& from, To&& to) {
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t i = 0; i < whole_rows; i += 4) {
    for (int64_t j = 0; j < whole_columns; j += 4) {
      const float* const sources[4] = {from(i) + j, from(i + 1) + j, from(i + 2) + j, from(i + 3) + j};
      float* const targets[4] = {to(j) + i, to(j + 1) + i, to(j + 2) + i, to(j + 3) + i};
      transpose_4x4(sources, targets, factor);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j) to(j)[i] = from(i)[j] * factor;
  }
}

void PackTransposed(const Rows<const float>& rows, const uint32_t* indices, int64_t count, int64_t channels,
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

void UnpackTransposed(const float* source, const uint32_t* indices, int64_t count, int64_t channels, float factor,
                      const Rows<float>& rows) {
  for (int64_t start = 0; start < count; start += kTileColumns) {
    const float* tile = source + start * channels;
    transpose(
        channels, std::min(kTileColumns, count - start), factor, [&](int64_t d) { return tile + d * kTileColumns; },
        [&](int64_t n) { return rows[indices[start + n]]; });
  }
}

void TransposeBlock(const float* source, int64_t stride, int64_t count, int64_t channels, float* target, int64_t ld) {
  transpose(
      count, channels, 1.0f, [&](int64_t n) { return source + n * stride; },
      [&](int64_t d) { return target + d * ld; });
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::attention::cpu {

HWY_EXPORT(PackTransposed);
HWY_EXPORT(UnpackTransposed);
HWY_EXPORT(TransposeBlock);

void pack_rows(const Rows<const float>& rows, const uint32_t* indices, int64_t count, int64_t channels, float factor,
               float* target) {
  for (int64_t n = 0; n < count; ++n) {
    const float* row = rows[indices[n]];
    for (int64_t d = 0; d < channels; ++d) target[n * channels + d] = row[d] * factor;
  }
}

void pack_transposed(const Rows<const float>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                     float factor, float* target) {
  HWY_DYNAMIC_DISPATCH(PackTransposed)(rows, indices, count, channels, factor, target);
}

void unpack_transposed(const float* source, const uint32_t* indices, int64_t count, int64_t channels, float factor,
                       const Rows<float>& rows) {
  HWY_DYNAMIC_DISPATCH(UnpackTransposed)(source, indices, count, channels, factor, rows);
}

void transpose_block(const float* source, int64_t stride, int64_t count, int64_t channels, float* target, int64_t ld) {
  HWY_DYNAMIC_DISPATCH(TransposeBlock)(source, stride, count, channels, target, ld);
}

}  // namespace saobp::attention::cpu
#endif
