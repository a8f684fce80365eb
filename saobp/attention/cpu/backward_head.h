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
        key_sum(p, columns * p.channels),
        value_sum(p, columns * p.channels),
        scratch([&](auto& place) {
          place(keys_transposed, columns * operand_floats(p.channels));
          place(values_transposed, columns * operand_floats(p.channels));
          place(keys, columns * p.channels);
          place(key_gradient, columns * p.channels);
          place(value_gradient, columns * p.channels);
          place(scores, kept_blocks * kTileRows * columns);
          place(gradients, kept_blocks * kTileRows * columns);
          place(delta, p.queries);
          place(chunk_sums, kMaxChunks * columns);
          place(column_gradient, columns);
          place(column_weights, columns);
          place(column_bias, columns);
        }) {}

  int64_t columns, kept_blocks;
  float *keys_transposed, *values_transposed;  // operands in tiles; keys scaled for scores to base 2 if they are floats
  float* keys;                                 // operand [L_k][channels], where the tensor itself will not do
  float *key_gradient, *value_gradient;        // transposed, in tiles
  ChunkSum key_sum, value_sum;                 // the same
  float *scores, *gradients;                   // the first `kept_blocks`, kept from the first sweep for the second
  float* delta;
  double* chunk_sums;  // [chunks][columns] of dZ
  double chunk_strength[kMaxChunks];
  float *column_gradient, *column_weights, *column_bias;
  Scratch scratch;
};

// Memory of a thread.
struct BackwardOwn {
  explicit BackwardOwn(const Problem& p)
      : columns(round_up(p.keys, kTileColumns)), scratch([&](auto& place) {
          place(scores, kTileRows * columns);
          place(gradients, kTileRows * columns);
          place(weights, kTileRows * columns);
          place(operand, kTileRows * columns / 2);
          place(key_part, chunk_count(p.queries) > 1 ? columns * p.channels : 0);
          place(value_part, chunk_count(p.queries) > 1 ? columns * p.channels : 0);
          place(query_rows, kTileRows * operand_floats(p.channels));
          place(gradient_rows, kTileRows * operand_floats(p.channels));
          place(transposed_rows, kTileRows * p.channels);
          place(query_gradient_rows, kTileRows * p.channels);
          place(chunk_sum, columns);
          place(messages, columns);
          state.describe(place, columns);
          place(after_block, columns);
          place(in_block, columns);
        }) {}

  int64_t columns;
  float *scores, *gradients, *weights;
  float* operand;                                // a block, for products of bfloat16
  float *key_part, *value_part;                  // a chunk's dK and dV
  float *query_rows, *gradient_rows;             // operands [64][channels]
  float *transposed_rows, *query_gradient_rows;  // [channels][64]; [64][channels]
  double *chunk_sum, *messages;                  // causal: columns of dZ; c after the block
  ColumnState state;
  float *after_block, *in_block;
  ProductsDone done;
  Scratch scratch;
};

template <class T, class KeyT>
struct HeadRows {
  Rows<const T> query, key, value, output, output_gradient;
  Rows<T> query_gradient;
  Rows<KeyT> key_gradient, value_gradient;
};

// E: of the products' operands (products.h).
template <class T, class KeyT, class E>
struct BackwardHead : Head {
  BackwardShared& shared;
  SavedRows saved;
  const double* prefix_sums;  // causal: [chunks][keys]
  const HeadRows<T, KeyT>& rows;
  bool alone;  // one thread works on this head
  Chunks chunks;
  PackedOf<E> keys{nullptr, 0};

  void prepare_columns() {
    pack_columns_transposed(rows.key, constants.score_scale, as<E>(shared.keys_transposed));
    pack_columns_transposed(rows.value, 1.0f, as<E>(shared.values_transposed));
    keys = pack_columns(rows.key, as<E>(shared.keys));
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
  PackedOf<E> make_products(int64_t b, const BackwardBlock& block, BackwardOwn& own) const {
    const auto queries = pack_block(rows.query, b, as<E>(own.query_rows));
    const auto gradients = pack_block(rows.output_gradient, b, as<E>(own.gradient_rows));
    multiply_scores(block.scores, b, queries, as<E>(shared.keys_transposed));
    multiply_into_block(block.gradient, real.product_rows(b), gradients, depth_of<E>(p.channels),
                        as<E>(shared.values_transposed));
    make_delta(b, gradients);
    return gradients;
  }

  void make_delta(int64_t b, PackedOf<E> gradients) const {
    for (int64_t i = 0; i < real.block_rows(b); ++i) {
      shared.delta[b * kTileRows + i] =
          dot(gradients.data + i * gradients.stride, rows.output[block_queries(b)[i]], p.channels);
    }
  }

  // dS of the block → dQ and dK. What was accumulated before may be overwritten.
  void finish_block(int64_t b, const Block& score_gradients, float* key_part, BackwardOwn& own) const {
    multiply_block(left_operand(score_gradients, own), real.product_rows(b), keys, p.channels, own.query_gradient_rows);
    float factors[kTileRows];
    std::fill(factors, factors + kTileRows, constants.gradient_scale);
    store_rows(own.query_gradient_rows, block_queries(b), score_gradients.rows, p.channels, factors,
               rows.query_gradient);
    accumulate(pack_block(rows.query, b, as<E>(own.query_rows)), score_gradients, key_part, own);
  }

  // part += sourceᵀ · block
  void accumulate(PackedOf<E> source, const Block& block, float* part, BackwardOwn& own) const {
    E* transposed = as<E>(own.transposed_rows);
    if constexpr (std::is_same_v<E, float>) {
      transpose_block(source.data, source.stride, block.rows, p.channels, transposed, kTileRows);
    } else {
      transpose_block(source, block.rows, p.channels, as<E>(own.query_gradient_rows), transposed);
    }
    accumulate_transposed(transposed, right_operand(block, own), depth_of<E>(block.rows), p.channels, part,
                          /*add=*/true);
  }

  BlockOf<E> left_operand(const Block& block, BackwardOwn& own) const {
    if constexpr (std::is_same_v<E, float>) {
      return block;
    } else {
      weigh_rows(block, /*column_weights=*/nullptr, /*dropout=*/nullptr, /*row_total=*/nullptr, as<E>(own.operand));
      return {as<E>(own.operand), block.rows, block.columns};
    }
  }

  BlockOf<E> right_operand(const Block& block, BackwardOwn& own) const {
    if constexpr (std::is_same_v<E, float>) {
      return block;
    } else {
      round_pairs(block, as<E>(own.operand));
      return {as<E>(own.operand), block.rows, block.columns};
    }
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
    return -constants.share * std::exp(-constants.strength) * sum;
  }
};

// The causal form with a strength (causal_backward.cpp): everything but storing dK, dV and the strength's gradient.
template <class T, class KeyT, class E>
void causal_backward(const BackwardHead<T, KeyT, E>& head, BackwardOwn* own);

}  // namespace saobp::attention::cpu
