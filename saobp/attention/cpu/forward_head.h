// What the forms of the forward pass share (forward.cpp: encoder and strength 0; causal_forward.cpp): memory, and the
// steps on a block of 64 rows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "saobp/attention/cpu/causal_rows.h"
#include "saobp/attention/cpu/forward_rows.h"
#include "saobp/attention/cpu/head.h"
#include "saobp/attention/cpu/schedule.h"

namespace saobp::attention::cpu {

// Below this the sum of a row's folded weights may have lost digits to underflow: the row takes the logarithmic form.
// In the causal form the weights that were flushed to 0 below 2^−126 may have grown by e^30 since.
inline constexpr float kSmallestTotal = 1e-25f, kSmallestCausalTotal = 1e-18f;

// Memory of a head, for all threads that work on it.
struct ForwardShared {
  explicit ForwardShared(const Problem& p)
      : columns(round_up(p.keys, kTileColumns)),
        kept_blocks(refines_twice(p) ? blocks_kept(p) : 0),
        scratch([&](auto& place) {
          place(keys, columns * operand_floats(p.channels));
          place(values, columns * p.channels);
          place(weighted_values, columns * p.channels);
          place(blocks, kept_blocks * kTileRows * columns);
          place(chunk_sums, kMaxChunks * columns);
          place(column_bias, columns);
          place(column_weights, columns);
        }) {}

  int64_t columns, kept_blocks;
  float *keys, *values;    // operands: Kᵀ in tiles; V where the tensor itself will not do
  float* weighted_values;  // diag(w) V, for products of floats
  float* blocks;           // the first `kept_blocks`, kept from the first sweep for the second
  double* chunk_sums;      // [chunks][columns] of m
  float *column_bias, *column_weights;
  Scratch scratch;
};

// Memory of a thread.
struct ForwardOwn {
  explicit ForwardOwn(const Problem& p)
      : columns(round_up(p.keys, kTileColumns)), scratch([&](auto& place) {
          place(block, kTileRows * columns);
          place(operand, kTileRows * columns / 2);
          place(query_rows, kTileRows * operand_floats(p.channels));
          place(output_rows, kTileRows * p.channels);
          place(chunk_sum, columns);
          place(block_sum, columns);
          state.describe(place, columns);
        }) {
    std::fill(chunk_sum, chunk_sum + columns, 0.0);
  }

  int64_t columns;
  float *block, *operand;           // the latter for products of bfloat16
  float *query_rows, *output_rows;  // [64][channels], the former as an operand
  double *chunk_sum, *block_sum;
  ColumnState state;  // causal
  ProductsDone done;
  Scratch scratch;
};

// One head's part of the saved rows and columns.
struct SavedHead {
  SavedHead(const Saved& saved, const Problem& p, int64_t index)
      : row_max(saved.rows + index * p.queries),
        inverse_sum(row_max + p.batch * p.heads * p.queries),
        refined_logsumexp(inverse_sum + p.batch * p.heads * p.queries),
        fold_ratio(refined_logsumexp + p.batch * p.heads * p.queries),
        column_bias(saved.column_bias ? saved.column_bias + index * p.keys : nullptr),
        prefix_sums(saved.prefix_sums ? saved.prefix_sums + index * chunk_count(p.queries) * p.keys : nullptr),
        statistics(saved.statistics ? saved.statistics + index * p.queries : nullptr),
        plane(p.batch * p.heads * p.queries) {}
  float *row_max, *inverse_sum, *refined_logsumexp, *fold_ratio, *column_bias;
  double* prefix_sums;  // [chunks][keys]
  float* statistics;    // [4][·][queries], the first index `plane` apart
  int64_t plane;
};

enum class Matrix { attention, refined };  // A, B

// T: type of the tensors, E: of the products' operands (products.h).
template <class T, class E>
struct ForwardHead : Head {
  ForwardShared& shared;
  SavedHead saved;
  Rows<const T> query, key, value;
  Rows<T> output;
  Chunks chunks;
  PackedOf<E> values{nullptr, 0};  // V, with zero rows behind

  void pack_keys() { pack_columns_transposed(key, constants.score_scale, as<E>(shared.keys)); }

  void pack_values() {
    if (!values.data) values = pack_columns(value, as<E>(shared.values));
  }

  void make_scores(int64_t b, const Block& scores, ForwardOwn& own) const {
    multiply_scores(scores, b, pack_block(query, b, as<E>(own.query_rows)), as<E>(shared.keys));
  }

  // S → e, with the row's maximum and sum, and the statistics of A if there is a place for them.
  void make_exponentials(int64_t b, const Block& scores, ForwardOwn& own, RowStatistics* statistics) const {
    const int64_t row = b * kTileRows;
    make_scores(b, scores, own);
    if (const int64_t* visible = real.block_visible(b)) {
      exponentials(scores, visible, saved.row_max + row, saved.inverse_sum + row, statistics);
    } else {
      exponentials(scores, real.keys.size(), saved.row_max + row, saved.inverse_sum + row, statistics);
    }
  }

  // `buffer` if statistics are wanted, else null.
  RowStatistics* wanted(RowStatistics* buffer) const { return saved.statistics ? buffer : nullptr; }

  void store_statistics(int64_t b, int64_t i, Matrix matrix, const RowStatistics& statistics) const {
    float* target = saved.statistics + (matrix == Matrix::refined ? 2 * saved.plane : 0) + block_queries(b)[i];
    target[0] = statistics.entropy;
    target[saved.plane] = statistics.squared_norm;
  }

  void store_statistics(int64_t b, int64_t rows, Matrix matrix, const RowStatistics* statistics) const {
    for (int64_t i = 0; statistics && i < rows; ++i) store_statistics(b, i, matrix, statistics[i]);
  }

  // The weights without what dropout drops, as the left operand of the product with V.
  BlockOf<E> drop_and_round(int64_t b, const Block& weights, ForwardOwn& own) const {
    if constexpr (std::is_same_v<E, float>) {
      drop_block(b, weights);
      return weights;
    } else {
      with_dropout(b,
                   [&](const DropoutBlock* mask) { weigh_rows(weights, nullptr, mask, nullptr, as<E>(own.operand)); });
      return {as<E>(own.operand), weights.rows, weights.columns};
    }
  }

  // output rows of the block = weights · columns, each row times its factor.
  void store_output(int64_t b, const BlockOf<E>& weights, PackedOf<E> columns, const float* factors,
                    ForwardOwn& own) const {
    multiply_block(weights, real.product_rows(b), columns, p.channels, own.output_rows);
    store_rows(own.output_rows, block_queries(b), weights.rows, p.channels, factors, output);
  }

  // The rows of the block whose fold_ratio is 0: `weights` is their B, normalised.
  void store_logarithmic_rows(int64_t b, const Block& weights, ForwardOwn& own) const {
    multiply_block(drop_and_round(b, weights, own), real.product_rows(b), values, p.channels, own.output_rows);
    for (int64_t i = 0; i < weights.rows; ++i) {
      if (saved.fold_ratio[b * kTileRows + i] != 0.0f) continue;
      store_rows(own.output_rows + i * p.channels, block_queries(b) + i, 1, p.channels, &constants.kept_scale, output);
    }
  }
};

// The causal form with a strength (causal_forward.cpp).
template <class T, class E>
void causal_forward(const ForwardHead<T, E>& head, ForwardOwn* own);

}  // namespace saobp::attention::cpu
