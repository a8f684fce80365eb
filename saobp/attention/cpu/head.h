// What the forward and the backward kernel share: which rows of a head are real, and the derived constants.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "saobp/attention/cpu/forward_rows.h"
#include "saobp/attention/cpu/kernel.h"
#include "saobp/attention/cpu/layout.h"
#include "saobp/attention/cpu/operands.h"
#include "saobp/attention/cpu/packing.h"
#include "saobp/attention/cpu/products.h"
#include "saobp/attention/cpu/scratch.h"
#include "saobp/attention/dropout.h"

namespace saobp::attention::cpu {

// So much of an L×L matrix of one head is kept from the first sweep for the second one; the rest is made again. (Per
// matrix and thread; 16 MB: all up to L = 2048. Larger than most caches' share, but reading it beats making it.)
inline constexpr int64_t kKeptFloats = int64_t{1} << 22;

// How many blocks of a head, from the first on, are kept between two sweeps: at least one.
int64_t blocks_kept(const Problem& problem);

// Whether some head takes two sweeps: encoder form with a strength.
bool refines_twice(const Problem& problem);

// The constants of a call, for one of its query heads (the strengths may differ) with so many real queries.
struct Constants {
  Constants(const Problem& problem, int64_t head, int64_t queries);
  bool refine;           // strength ≠ 0, or its gradient is wanted
  double strength;       // signed λ
  float score_scale;     // log2 e / √channels: scores to base 2
  float gradient_scale;  // 1 / √channels
  double share;          // encoder: what t is multiplied by (Problem::strength_length)
  float t;               // 1 − e^{−λ}, times the share
  Messages messages;
  bool dropout;
  uint32_t dropout_threshold;
  float kept_scale;  // 1 / (1 − p)
};

// The real rows of one batch row: padding takes no part in anything, and in the causal form neither do the queries
// before the first real key, which see none.
struct RealRows {
  RealRows(const Problem& problem, int64_t batch);
  Indices queries, keys;         // original positions
  std::vector<int64_t> visible;  // causal: so many of the keys each query sees; else empty
  int64_t key_columns;           // number of keys, rounded up to 16
  int64_t row_blocks() const { return divide_up(queries.size(), kTileRows); }
  int64_t column_tiles() const { return divide_up(keys.size(), kTileColumns); }
  // Rows of a block, and what the matrix products take for it.
  int64_t block_rows(int64_t block) const;
  int64_t product_rows(int64_t block) const { return round_up(block_rows(block), kProductRows); }
  // What the rows of a block see: so many columns in all, rounded up to 16, and each of them (null: every key).
  int64_t block_columns(int64_t block) const;
  const int64_t* block_visible(int64_t block) const {
    return visible.empty() ? nullptr : visible.data() + block * kTileRows;
  }
};

// The real rows from `first` on, `count` of them and zero rows up to `padded`, as a left operand (float: also as a
// right one): where they lie if they lie there so, else copied into the buffer. T: float, BFloat16; E: T or float.
template <class E, class T>
PackedOf<E> pack_if_needed(const Rows<const T>& rows, const Indices& real, int64_t first, int64_t count, int64_t padded,
                           int64_t channels, E* buffer);

// Calls f(tile, column) for the tiles of a block, each a block of its own that starts at `column`.
template <class F>
void for_tiles(const Block& block, F&& f) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    f(Block{row_segment(block, 0, column), block.rows, std::min(kTileColumns, block.columns - column)}, column);
  }
}

// Σ a_d b_d, in eight lanes.
template <class A, class B>
float dot(const A* a, const B* b, int64_t count) {
  float lanes[8] = {};
  int64_t d = 0;
  for (; d + 8 <= count; d += 8) {
    for (int64_t n = 0; n < 8; ++n) lanes[n] += static_cast<float>(a[d + n]) * static_cast<float>(b[d + n]);
  }
  for (; d < count; ++d) lanes[0] += static_cast<float>(a[d]) * static_cast<float>(b[d]);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

template <class T>
Rows<T> head_rows(const View<T>& view, int64_t batch, int64_t head) {
  return {view.data + batch * view.batch_stride + head * view.head_stride, view.row_stride};
}

template <class T>
void clear_rows(const Rows<T>& rows, int64_t length, int64_t channels) {
  for (int64_t i = 0; i < length; ++i) std::fill(rows[i], rows[i] + channels, T(0));
}

// One head of a call, as every pass sees it.
struct Head {
  const Problem& p;
  const Constants& constants;
  const RealRows& real;
  int64_t index;  // batch · heads + head

  // The head's rows of a tensor of the query heads, and of its key head.
  template <class T>
  Rows<T> query_rows(const View<T>& view) const {
    return head_rows(view, index / p.heads, index % p.heads);
  }
  template <class T>
  Rows<T> key_rows(const View<T>& view) const {
    return head_rows(view, index / p.heads, index % p.heads / p.group);
  }

  // Causal: what c is multiplied by in the rows of a block, [64]. Of the messages that a row takes the last one is its
  // own, or that of the row before it.
  void fill_shares(int64_t b, float* shares) const {
    for (int64_t i = 0; i < real.block_rows(b); ++i) {
      shares[i] = static_cast<float>(p.strength_share(b * kTileRows + i + (p.exclude_self ? 0 : 1)));
    }
  }

  const uint32_t* block_queries(int64_t b) const { return real.queries.data() + b * kTileRows; }
  Block block(int64_t b, float* data) const { return {data, real.block_rows(b), real.block_columns(b)}; }

  // The block's rows of `source` as a left operand. buffer: [64][depth_of(channels)].
  template <class E = float, class T>
  PackedOf<E> pack_block(const Rows<const T>& source, int64_t b, E* buffer) const {
    return pack_if_needed(source, real.queries, b * kTileRows, real.block_rows(b), real.product_rows(b), p.channels,
                          buffer);
  }

  // The rows of all keys as a right operand, with zero rows behind. buffer: [columns][channels].
  template <class E = float, class T>
  PackedOf<E> pack_columns(const Rows<const T>& source, E* buffer) const {
    if constexpr (std::is_same_v<E, float>) {
      return pack_if_needed(source, real.keys, 0, real.keys.size(), real.key_columns, p.channels, buffer);
    } else {
      pack_pairs(source, real.keys.data(), real.keys.size(), p.channels, buffer);
      return {buffer, p.channels};
    }
  }

  // The same transposed, in tiles, times `factor` if they are floats.
  template <class E = float, class T>
  void pack_columns_transposed(const Rows<const T>& source, float factor, E* target) const {
    if constexpr (std::is_same_v<E, float>) {
      pack_transposed(source, real.keys.data(), real.keys.size(), p.channels, factor, target);
    } else {
      pack_pairs_transposed(source, real.keys.data(), real.keys.size(), p.channels, target);
    }
  }

  // Scores to base 2: queries times keys, which hold constants.score_scale where they are floats.
  template <class E>
  void multiply_scores(const Block& scores, int64_t b, PackedOf<E> queries, const E* keys_transposed) const {
    multiply_into_block(scores, real.product_rows(b), queries, depth_of<E>(p.channels), keys_transposed);
    if constexpr (!std::is_same_v<E, float>) scale_block(scores, constants.score_scale);
  }

  // Calls f(the dropout of the block, or null).
  template <class F>
  void with_dropout(int64_t b, F&& f) const {
    if (!constants.dropout) return f(nullptr);
    uint64_t row_keys[kTileRows];
    for (int64_t i = 0; i < real.block_rows(b); ++i) {
      row_keys[i] = dropout_row_key(p.seed, index, block_queries(b)[i]);
    }
    const DropoutBlock mask{row_keys, real.keys.data(), constants.dropout_threshold};
    f(&mask);
  }

  void drop_block(int64_t b, const Block& weights) const {
    with_dropout(b, [&](const DropoutBlock* mask) {
      if (mask) drop(weights, *mask);
    });
  }
};

}  // namespace saobp::attention::cpu
