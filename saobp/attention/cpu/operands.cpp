#include "saobp/attention/cpu/operands.h"

#include <algorithm>
#include <cstring>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/operands.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/rows-inl.h"
#include "saobp/attention/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

using Halves = hn::Rebind<uint16_t, Floats>;

// The words whose upper half is the value as bfloat16. A NaN whose lower half is 0, as that of one made of bfloat16,
// stays.
HWY_INLINE hn::Vec<Words> rounded(Vector value) {
  const Words w;
  const auto bits = hn::BitCast(w, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(w, 1u));
  return hn::Add(bits, hn::Add(odd, hn::Set(w, 0x7FFFu)));
}

HWY_INLINE void store_rounded(Vector value, BFloat16* target) {
  const hn::RebindToSigned<Floats> integers;
  const auto upper = hn::ShiftRight<16>(rounded(value));
  hn::StoreU(hn::DemoteTo(Halves(), hn::BitCast(integers, upper)), Halves(), reinterpret_cast<uint16_t*>(target));
}

// target[2n], target[2n + 1] = even[n], odd[n]; null is zeros. Whole vectors are read and written.
HWY_INLINE void interleave(const BFloat16* even, const BFloat16* odd, int64_t count, BFloat16* target) {
  const Words w;
  const auto words = [&](const BFloat16* from, int64_t n) HWY_ATTR {
    return hn::PromoteTo(w, hn::LoadU(Halves(), reinterpret_cast<const uint16_t*>(from + n)));
  };
  const int64_t lanes = hn::Lanes(w);
  int64_t n = 0;
  for (; even && odd && n + lanes <= count; n += lanes) {
    hn::StoreU(hn::Or(words(even, n), hn::ShiftLeft<16>(words(odd, n))), w,
               reinterpret_cast<uint32_t*>(target + 2 * n));
  }
  for (; n < count; ++n) {
    target[2 * n] = even ? even[n] : BFloat16(0);
    target[2 * n + 1] = odd ? odd[n] : BFloat16(0);
  }
}

void PackPairs(const Rows<const BFloat16>& rows, const uint32_t* indices, int64_t count, int64_t channels,
               BFloat16* target) {
  const auto row = [&](int64_t n) { return n < count ? rows[indices[n]] : nullptr; };
  for (int64_t n = 0; n < depth_of<BFloat16>(count); n += 2) {
    interleave(row(n), row(n + 1), channels, target + n * channels);
  }
}

void PackPairsTransposed(const Rows<const BFloat16>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                         BFloat16* target) {
  const int64_t depth = depth_of<BFloat16>(channels);
  // Two neighbours of a row go together as one float, where all of them lie as floats do.
  const bool as_floats = channels % 2 == 0 && rows.stride % 2 == 0 && reinterpret_cast<uintptr_t>(rows.data) % 4 == 0;
  const int64_t words = as_floats ? channels / 2 : 0;
  for (int64_t start = 0; start < count; start += kTileColumns) {
    const int64_t columns = std::min(kTileColumns, count - start), padded = round_up(columns, kLanes);
    BFloat16* tile = target + start * depth;
    auto* floats = reinterpret_cast<float*>(tile);
    transpose(
        columns, words, Unchanged(),
        [&](int64_t n) { return reinterpret_cast<const float*>(rows[indices[start + n]]); },
        [&](int64_t d) { return floats + d * kTileColumns; });
    for (int64_t d = 0; d < words; ++d) {
      std::fill(floats + d * kTileColumns + columns, floats + d * kTileColumns + padded, 0.0f);
    }
    std::fill(tile + 2 * words * kTileColumns, tile + depth * kTileColumns, BFloat16(0));
    for (int64_t d = 2 * words; d < channels; ++d) {
      BFloat16* pairs = tile + d / 2 * 2 * kTileColumns + d % 2;
      for (int64_t n = 0; n < columns; ++n) pairs[2 * n] = rows[indices[start + n]][d];
    }
  }
}

void TransposeHalves(PackedOf<BFloat16> rows, int64_t count, int64_t channels, BFloat16* buffer, BFloat16* target) {
  const int64_t depth = depth_of<BFloat16>(count);
  const auto row = [&](int64_t n) { return n < count ? rows.data + n * rows.stride : nullptr; };
  for (int64_t n = 0; n < depth; n += 2) interleave(row(n), row(n + 1), channels, buffer + n * channels);
  transpose(
      depth / 2, channels, Unchanged(),
      [&](int64_t n) { return reinterpret_cast<const float*>(buffer) + n * channels; },
      [&](int64_t d) { return reinterpret_cast<float*>(target) + d * (kTileRows / 2); });
}

template <bool kWeights, bool kDropout, bool kTotals>
void weigh(const Block& block, const float* column_weights, const DropoutBlock* dropout, float* row_total,
           BFloat16* target) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f), depth = depth_of<BFloat16>(block.columns);
  const BlockOf<BFloat16> result{target, block.rows, depth};
  for (int64_t i = 0; i < block.rows; ++i) {
    const DropoutRow mask(kDropout ? dropout->row_keys[i] : 0, kDropout ? dropout->threshold : 0);
    auto total = hn::Zero(f);
    for_segments(block, i, [&](const float* x, int64_t column, int64_t count) HWY_ATTR {
      BFloat16* to = row_segment(result, i, column);
      auto sum = hn::Zero(f);
      for (int64_t k = 0; k < count; k += lanes) {
        auto value = hn::LoadU(f, x + k);
        if (kWeights) value = hn::Mul(value, hn::LoadU(f, column_weights + column + k));
        if (kTotals) sum = hn::Add(sum, value);
        if (kDropout) value = hn::IfThenElseZero(mask.kept(dropout->columns + column + k), value);
        store_rounded(value, to + k);
      }
      if (kTotals) total = hn::Add(total, sum);
      std::fill(to + count, to + depth_of<BFloat16>(count), BFloat16(0));
    });
    if (kTotals) row_total[i] = hn::GetLane(hn::SumOfLanes(f, total));
  }
  for (int64_t i = block.rows; i < round_up(block.rows, kProductRows); ++i)
    fill_columns(result, i, 0, depth, BFloat16(0));
}

void WeighRows(const Block& block, const float* column_weights, const DropoutBlock* dropout, float* row_total,
               BFloat16* target) {
  const auto with = [&](auto weights, auto drops, auto totals) {
    weigh<weights.value, drops.value, totals.value>(block, column_weights, dropout, row_total, target);
  };
  const auto choose = [](bool condition, auto&& f) { return condition ? f(std::true_type()) : f(std::false_type()); };
  choose(column_weights != nullptr, [&](auto weights) {
    choose(dropout != nullptr,
           [&](auto drops) { choose(row_total != nullptr, [&](auto totals) { with(weights, drops, totals); }); });
  });
}

void RoundPairs(const Block& block, BFloat16* target) {
  const Floats f;
  const Words w;
  const int64_t lanes = hn::Lanes(f);
  const BlockOf<BFloat16> result{target, block.rows, block.columns};
  const auto upper = hn::Set(w, 0xFFFF0000u);
  for (int64_t i = 0; i < depth_of<BFloat16>(block.rows); i += 2) {
    for (int64_t column = 0; column < block.columns; column += kTileColumns) {
      const int64_t count = std::min(kTileColumns, block.columns - column);
      auto* to = reinterpret_cast<uint32_t*>(row_segment(result, i, column));
      const float *even = row_segment(block, i, column), *odd = even + kTileColumns;
      const bool has_even = i < block.rows, has_odd = i + 1 < block.rows;
      for (int64_t k = 0; k < count; k += lanes) {
        auto word = hn::Zero(w);
        if (has_even) word = hn::ShiftRight<16>(rounded(hn::LoadU(f, even + k)));
        if (has_odd) word = hn::Or(word, hn::And(rounded(hn::LoadU(f, odd + k)), upper));
        hn::StoreU(word, w, to + k);
      }
    }
  }
}

void ScaleBlock(const Block& block, float factor) {
  for (int64_t i = 0; i < block.rows; ++i) scale_row(block, i, hn::Set(Floats(), factor));
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::attention::cpu {

HWY_EXPORT(PackPairs);
HWY_EXPORT(PackPairsTransposed);
HWY_EXPORT(TransposeHalves);
HWY_EXPORT(WeighRows);
HWY_EXPORT(RoundPairs);
HWY_EXPORT(ScaleBlock);

void copy_rows(const Rows<const BFloat16>& rows, const uint32_t* indices, int64_t count, int64_t padded,
               int64_t channels, BFloat16* target) {
  const int64_t depth = depth_of<BFloat16>(channels);
  for (int64_t n = 0; n < padded; ++n, target += depth) {
    const int64_t copied = n < count ? channels : 0;
    if (copied > 0) std::memcpy(target, rows[indices[n]], channels * sizeof(BFloat16));
    std::fill(target + copied, target + depth, BFloat16(0));
  }
}

void pack_pairs(const Rows<const BFloat16>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                BFloat16* target) {
  HWY_DYNAMIC_DISPATCH(PackPairs)(rows, indices, count, channels, target);
}

void pack_pairs_transposed(const Rows<const BFloat16>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                           BFloat16* target) {
  HWY_DYNAMIC_DISPATCH(PackPairsTransposed)(rows, indices, count, channels, target);
}

void transpose_block(PackedOf<BFloat16> rows, int64_t count, int64_t channels, BFloat16* buffer, BFloat16* target) {
  HWY_DYNAMIC_DISPATCH(TransposeHalves)(rows, count, channels, buffer, target);
}

void weigh_rows(const Block& block, const float* column_weights, const DropoutBlock* dropout, float* row_total,
                BFloat16* target) {
  HWY_DYNAMIC_DISPATCH(WeighRows)(block, column_weights, dropout, row_total, target);
}

void round_pairs(const Block& block, BFloat16* target) { HWY_DYNAMIC_DISPATCH(RoundPairs)(block, target); }

void scale_block(const Block& block, float factor) { HWY_DYNAMIC_DISPATCH(ScaleBlock)(block, factor); }

}  // namespace saobp::attention::cpu
#endif
