// How the fused kernels lay out an L×L matrix of one head: blocks of 64 query rows, each cut into tiles of 64×128
// floats that are contiguous in memory. Tiles keep the leading dimensions of all matrix products the same few numbers,
// whatever the sequence length, and rows of one tile clear of each other's cache sets.
#pragma once

#include <cstdint>

namespace saobp::attention::cpu {

inline constexpr int64_t kTileRows = 64;
inline constexpr int64_t kTileColumns = 128;
inline constexpr int64_t kTileSize = kTileRows * kTileColumns;
inline constexpr int64_t kPartRows = 32;    // ElemMul's causal form: rows that go by together (elemmul_causal.h)
inline constexpr int64_t kProductRows = 8;  // left operands have a multiple of this, so that products see few shapes
inline constexpr int64_t kLanes = 16;       // the widest vector, in floats; column counts are rounded up to it

inline constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
inline constexpr int64_t divide_up(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// Up to 64 rows of such a matrix. Element (i, k) is data[(k / 128)·64·128 + i·128 + k % 128].
template <class E>
struct BlockOf {
  E* data;
  int64_t rows;     // that hold something
  int64_t columns;  // a multiple of 16; those past the last real key count as "no such key"
};
using Block = BlockOf<float>;

// The part of a row that lies in the tile which starts at `column`.
template <class E>
E* row_segment(const BlockOf<E>& block, int64_t row, int64_t column) {
  return block.data + column / kTileColumns * kTileSize + row * kTileColumns;
}

}  // namespace saobp::attention::cpu
