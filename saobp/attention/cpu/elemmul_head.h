// What the ElemMul kernels' passes over one head share: its real rows, constants, and steps on blocks of 64 rows.
#pragma once

#include <cstdint>
#include <vector>

#include "saobp/attention/cpu/elemmul_kernel.h"
#include "saobp/attention/cpu/head.h"

namespace saobp::attention::cpu {

// As the helpers of the other kernels take it.
Problem as_problem(const ElemmulProblem& problem);

// How many L×L blocks of a head are kept between two sweeps: all, or 1 where they are too large.
int64_t elemmul_blocks_kept(const ElemmulProblem& problem);

struct ElemmulConstants {
  explicit ElemmulConstants(const ElemmulProblem& problem);
  float score_scale;     // log2 e / √channels: scores to base 2
  float gradient_scale;  // 1 / √channels
  uint32_t dropout_threshold;
  float kept_scale;  // 1 / (1 − p)
};

// Value rows belong to query positions here (Aᵀ V); where that position is no real key, the value counts as 0.
struct ElemmulRows : RealRows {
  ElemmulRows(const ElemmulProblem& problem, int64_t batch);
  bool any_left_out(int64_t length) const;  // positions that take no part as a query or as a key
  const uint32_t* block_queries(int64_t block) const { return queries.data() + block * kTileRows; }

  std::vector<uint32_t> columns;   // the real keys, followed by zeros up to key_columns
  std::vector<uint8_t> has_value;  // of each real query
  bool all_have_values;
};

// One head of the call.
struct ElemmulHead {
  const ElemmulProblem& problem;
  const ElemmulConstants& constants;
  const ElemmulRows& real;
  int64_t index;  // batch · heads + head
  Rows<const float> query, key, value;

  // Rows of the block, with zero rows up to what the products take; copied into the buffer [64][channels] if need be.
  Packed query_rows(int64_t block, float* buffer) const;
  Packed value_rows(int64_t block, float* buffer) const;

  // S of the block, from the keys in transposed tiles.
  void make_scores(int64_t block_index, const Block& block, const float* keys, float* buffer) const;

  // Zeroes what dropout drops of A. Nothing happens without dropout.
  void drop_block(int64_t block_index, const Block& block) const;
};

// Of the rows of a block, into saved.statistics.
void store_statistics(const ElemmulHead& head, int64_t b, const RowStatistics* statistics, const ElemmulSaved& saved);

// target [channels][64] = rowsᵀ, row i times factors[i] if there are any.
void transpose_rows(Packed rows, int64_t count, int64_t channels, const float* factors, float* target);

// Tiles [channels][128] → rows [columns][channels].
void untile(const float* tiles, int64_t columns, int64_t channels, float* rows);

// Block (rows × columns) → [columns][64].
void transpose_tiles(const Block& block, float* target);

// block += rows[m][channels] · transposed tiles.
void add_into_block(const Block& block, int64_t m, Packed rows, int64_t channels, const float* transposed);

// block (+)= left[m][64] · right, with `right` a block of right.rows rows and as many columns.
void multiply_by_block(const Block& block, int64_t m, const float* left, const Block& right, bool add);

}  // namespace saobp::attention::cpu
