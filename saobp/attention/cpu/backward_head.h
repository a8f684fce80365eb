// What the forms of the backward pass share (backward.cpp: encoder and strength 0; causal_backward.cpp): memory, and
// the steps on a block of 64 rows. dV and dK are summed up transposed, so that no L×L block has to be, and by chunks of
// rows (kMaxChunks in kernel.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "saobp/attention/cpu/backward_rows.h"
#include "saobp/attention/cpu/causal_rows.h"
#include "saobp/attention/cpu/head.h"
#include "saobp/attention/cpu/schedule.h"

namespace saobp::attention::cpu {

// Memory of a head, for all threads that work on it.
struct BackwardShared {
  explicit BackwardShared(const Problem& p)
      : columns(round_up(p.keys, kTileColumns)),
        kept_blocks(refines_twice(p) ? blocks_kept(p) : 0),
        scratch(2 * kept_blocks * kTileRows * columns + 5 * columns * p.channels + round_up(p.queries, kLanes) +
                (2 * kMaxChunks + 3) * columns + 16 * kLanes),
        keys_transposed(scratch.floats(columns * p.channels)),
        values_transposed(scratch.floats(columns * p.channels)),
        keys(scratch.floats(columns * p.channels)),
        key_gradient(scratch.floats(columns * p.channels)),
        value_gradient(scratch.floats(columns * p.channels)),
        key_sum(p, columns * p.channels),
        value_sum(p, columns * p.channels),
        scores(scratch.floats(kept_blocks * kTileRows * columns)),
        gradients(scratch.floats(kept_blocks * kTileRows * columns)),
        delta(scratch.floats(p.queries)),
        chunk_sums(scratch.doubles(kMaxChunks * columns)),
        column_gradient(scratch.floats(columns)),
        column_weights(scratch.floats(columns)),
        column_bias(scratch.floats(columns)) {}

  int64_t columns, kept_blocks;
  Scratch scratch;
  float *keys_transposed, *values_transposed;  // in tiles; keys scaled for scores to base 2
  float* keys;                                 // [L_k][channels], where the tensor itself will not do
  float *key_gradient, *value_gradient;        // transposed, in tiles
  ChunkSum key_sum, value_sum;                 // the same
  float *scores, *gradients;                   // the first `kept_blocks`, kept from the first sweep for the second
  float* delta;
  double* chunk_sums;  // [chunks][columns] of dZ
  double chunk_strength[kMaxChunks];
  float *column_gradient, *column_weights, *column_bias;
};

// Memory of a thread.
struct BackwardOwn {
  explicit BackwardOwn(const Problem& p)
      : columns(round_up(p.keys, kTileColumns)),
        scratch(3 * kTileRows * columns + (chunk_count(p.queries) > 1 ? 2 * columns * p.channels : 0) +
                4 * kTileRows * p.channels + 13 * columns + 16 * kLanes),
        scores(scratch.floats(kTileRows * columns)),
        gradients(scratch.floats(kTileRows * columns)),
        weights(scratch.floats(kTileRows * columns)),
        key_part(chunk_count(p.queries) > 1 ? scratch.floats(columns * p.channels) : nullptr),
        value_part(chunk_count(p.queries) > 1 ? scratch.floats(columns * p.channels) : nullptr),
        query_rows(scratch.floats(kTileRows * p.channels)),
        gradient_rows(scratch.floats(kTileRows * p.channels)),
        transposed_rows(scratch.floats(kTileRows * p.channels)),
        query_gradient_rows(scratch.floats(kTileRows * p.channels)),
        chunk_sum(scratch.doubles(columns)),
        messages(scratch.doubles(columns)),
        state{scratch.doubles(columns), scratch.doubles(columns), scratch.floats(columns), scratch.floats(columns),
              scratch.floats(columns)},
        after_block(scratch.floats(columns)),
        in_block(scratch.floats(columns)) {}

  int64_t columns;
  Scratch scratch;
  float *scores, *gradients, *weights;
  float *key_part, *value_part;                  // a chunk's dK and dV
  float *query_rows, *gradient_rows;             // [64][channels]
  float *transposed_rows, *query_gradient_rows;  // [channels][64]; [64][channels]
  double *chunk_sum, *messages;                  // causal: columns of dZ; c after the block
  ColumnState state;
  float *after_block, *in_block;
};

template <class T, class KeyT>
struct HeadRows {
  Rows<const T> query, key, value, output, output_gradient;
  Rows<T> query_gradient;
  Rows<KeyT> key_gradient, value_gradient;
};

template <class T, class KeyT>
struct BackwardHead : Head {
  BackwardShared& shared;
  SavedRows saved;
  const double* prefix_sums;  // causal: [chunks][keys]
  const HeadRows<T, KeyT>& rows;
  bool alone;  // one thread works on this head
  Chunks chunks;
  Packed keys{nullptr, 0};

  void prepare_columns() {
    pack_columns_transposed(rows.key, constants.score_scale, shared.keys_transposed);
    pack_columns_transposed(rows.value, 1.0f, shared.values_transposed);
    keys = pack_columns(rows.key, shared.keys);
    const int64_t size = round_up(real.key_columns, kTileColumns) * p.channels;
    shared.key_sum.begin(shared.key_gradient, size, chunks, alone);
    shared.value_sum.begin(shared.value_gradient, size, chunks, alone);
  }

  BackwardBlock blocks(int64_t b, float* scores, float* gradients, float* weights) const {
    return {block(b, scores), block(b, gradients), block(b, weights), static_cast<int64_t>(real.keys.size()),
            real.block_visible(b)};
  }

  SavedRows saved_rows(int64_t b) const {
    const int64_t first = b * kTileRows;
    SavedRows block = saved;
    block.row_max += first;
    block.inverse_sum += first;
    block.refined_logsumexp += first;
    block.fold_ratio += first;
    block.delta += first;
    return block;
  }

  // D₀ = g · O, S = Q Kᵀ and g Vᵀ. Returns the rows of g.
  Packed make_products(int64_t b, const BackwardBlock& block, BackwardOwn& own) const {
    const int64_t padded = real.product_rows(b);
    const Packed queries = pack_block(rows.query, b, own.query_rows);
    const Packed gradients = pack_block(rows.output_gradient, b, own.gradient_rows);
    multiply_into_block(block.scores, padded, queries, p.channels, shared.keys_transposed);
    multiply_into_block(block.gradient, padded, gradients, p.channels, shared.values_transposed);
    make_delta(b, gradients);
    return gradients;
  }

  void make_delta(int64_t b, Packed gradients) const {
    for (int64_t i = 0; i < real.block_rows(b); ++i) {
      shared.delta[b * kTileRows + i] =
          dot(gradients.data + i * gradients.stride, rows.output[block_queries(b)[i]], p.channels);
    }
  }

  // dS of the block → dQ and dK.
  void finish_block(int64_t b, const Block& score_gradients, float* key_part, BackwardOwn& own) const {
    multiply_block(score_gradients, real.product_rows(b), keys, p.channels, own.query_gradient_rows);
    float factors[kTileRows];
    std::fill(factors, factors + kTileRows, constants.gradient_scale);
    store_rows(own.query_gradient_rows, block_queries(b), score_gradients.rows, p.channels, factors,
               rows.query_gradient);
    accumulate(pack_block(rows.query, b, own.query_rows), score_gradients, key_part, own);
  }

  // part += sourceᵀ · block
  void accumulate(Packed source, const Block& block, float* part, BackwardOwn& own) const {
    transpose_block(source.data, source.stride, block.rows, p.channels, own.transposed_rows, kTileRows);
    accumulate_transposed(own.transposed_rows, block, block.rows, p.channels, part, /*add=*/true);
  }

  // `backwards`: the chunks went from the last to the first.
  void store_key_gradients(bool backwards) const {
    shared.key_sum.combine(backwards);
    shared.value_sum.combine(backwards);
    const uint32_t* indices = real.keys.data();
    unpack_transposed(shared.value_gradient, indices, real.keys.size(), p.channels, 1.0f, rows.value_gradient);
    unpack_transposed(shared.key_gradient, indices, real.keys.size(), p.channels, constants.gradient_scale,
                      rows.key_gradient);
  }

  // ∂L/∂λ from the chunks' −∂L/∂t.
  double strength_gradient() const {
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks.count(); ++chunk) sum += shared.chunk_strength[chunk];
    return -std::exp(-constants.strength) * sum;
  }
};

// The causal form with a strength (causal_backward.cpp): everything but storing dK, dV and the strength's gradient.
template <class T, class KeyT>
void causal_backward(const BackwardHead<T, KeyT>& head, BackwardOwn* own);

}  // namespace saobp::attention::cpu
