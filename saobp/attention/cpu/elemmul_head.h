// What the ElemMul kernels' passes over one head share: its rows, and what the forward pass saves of it.
#pragma once

#include <cstdint>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/elemmul_kernel.h"
#include "saobp/attention/cpu/head.h"
#include "saobp/attention/cpu/schedule.h"

namespace saobp::attention::cpu {

// One head's part of what is saved.
struct ElemmulSavedHead {
  ElemmulSavedHead(const ElemmulSaved& saved, const Head& head);
  float *row_max, *inverse_sum, *z, *columns, *table;
  float* statistics;  // [2][·][length], the first index `plane` apart; or null
  int64_t plane;

  // `buffer` if statistics are wanted, else null.
  RowStatistics* wanted(RowStatistics* buffer) const { return statistics ? buffer : nullptr; }
  void store_statistics(const Head& head, int64_t b, const RowStatistics* of_rows) const;
};

struct ElemmulHead : Head {
  ElemmulHead(const Head& head, const Inputs<float>& inputs);

  Rows<const float> query, key, value;
  // Value rows belong to query positions here (Aᵀ V). Where such a position is no real key, the value counts as 0.
  const bool* has_value;  // of each position; null: all queries' have one

  // A of a tile that begins with key `column`, from the scores and what is saved of the rows. queries: the block's
  // rows.
  void make_tile(int64_t b, const Block& tile, int64_t column, Packed queries, const float* keys_transposed,
                 const ElemmulSavedHead& saved) const;

  // The block's rows of V, with zero rows up to what the products take. buffer: [64][channels].
  Packed value_rows(int64_t b, float* buffer) const;
};

// Zeroes what dropout, if there is any, drops of the tile of a block that begins at `column`.
inline void drop_tile(const Block& tile, int64_t column, const DropoutBlock* dropout) {
  if (dropout) drop(tile, {dropout->row_keys, dropout->columns + column, dropout->threshold});
}

// target [channels][64] = rowsᵀ, row i times factors[i] if there are any.
void transpose_rows(Packed rows, int64_t count, int64_t channels, const float* factors, float* target);

// Tiles [channels][128] → rows [columns][channels].
void untile(const float* tiles, int64_t columns, int64_t channels, float* rows);

// block += rows[m][channels] · transposed tiles.
void add_into_block(const Block& block, int64_t m, Packed rows, int64_t channels, const float* transposed);

}  // namespace saobp::attention::cpu
