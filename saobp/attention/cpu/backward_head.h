// What the forms of the backward pass share (backward.cpp: encoder and strength 0; causal_backward.cpp): memory, and
// the steps on a block of 64 rows. dV and dK are summed up transposed, so that no L×L block has to be, and by chunks of
// rows (kMaxChunks in kernel.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "saobp/attention/cpu/backward_rows.h"
#include "saobp/attention/cpu/causal_rows.h"
#include "saobp/attention/cpu/head.h"
#include "saobp/attention/cpu/schedule.h"

namespace saobp::attention::cpu {

// Memory of a head, for all threads that work on it.
struct BackwardShared {
  explicit BackwardShared(const Problem& p)
      : columns(round_up(p.keys, kTileColumns)),
        kept_blocks(blocks_kept(p)),
        channels(p.channels),
        scratch(2 * kept_blocks * kTileRows * columns + 5 * columns * p.channels + round_up(p.queries, kLanes) +
                (2 * kMaxChunks + 3) * columns + 16 * kLanes),
        keys_transposed(scratch.floats(columns * p.channels)),
        values_transposed(scratch.floats(columns * p.channels)),
        keys(scratch.floats(columns * p.channels)),
        key_gradient(scratch.floats(columns * p.channels)),
        value_gradient(scratch.floats(columns * p.channels)),
        scores(scratch.floats(kept_blocks * kTileRows * columns)),
        gradients(scratch.floats(kept_blocks * kTileRows * columns)),
        delta(scratch.floats(p.queries)),
        chunk_sums(scratch.doubles(kMaxChunks * columns)),
        column_gradient(scratch.floats(columns)),
        column_weights(scratch.floats(columns)),
        column_bias(scratch.floats(columns)) {}

  // The chunks' parts of dK and dV, where several threads work on the head: made before they start.
  void make_parts(int64_t chunks) {
    if (parts_memory) return;
    parts.emplace(chunks * 2 * columns * channels);
    parts_memory = parts->floats(chunks * 2 * columns * channels);
  }
  float* chunk_parts(int64_t chunk) const { return parts_memory + chunk * 2 * columns * channels; }

  int64_t columns, kept_blocks, channels;
  Scratch scratch;
  std::optional<Scratch> parts;
  float* parts_memory = nullptr;
  float *keys_transposed, *values_transposed;  // in tiles; keys scaled for scores to base 2
  float* keys;                                 // [L_k][channels], where the tensor itself will not do
  float *key_gradient, *value_gradient;        // transposed, in tiles
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
        parts(chunk_count(p.queries) > 1 ? scratch.floats(2 * columns * p.channels) : nullptr),
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
  float* parts;                                  // a chunk's dK and dV
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
struct BackwardHead {
  const Problem& p;
  const Constants& constants;
  const RealRows& real;
  int64_t index;  // batch · heads + head
  BackwardShared& shared;
  SavedRows saved;
  const double* prefix_sums;  // causal: [chunks][keys]
  const HeadRows<T, KeyT>& rows;
  bool alone;  // one thread works on this head
  Chunks chunks;
  Packed keys{nullptr, 0};

  void prepare_columns() {
    const int64_t count = real.keys.size();
    pack_transposed(rows.key, real.keys.data(), count, p.channels, constants.score_scale, shared.keys_transposed);
    pack_transposed(rows.value, real.keys.data(), count, p.channels, 1.0f, shared.values_transposed);
    keys = pack_if_needed(rows.key, real.keys, 0, count, real.key_columns, p.channels, shared.keys);
    if (!alone && chunks.count() > 1) shared.make_parts(chunk_count(p.queries));
  }

  const uint32_t* block_queries(int64_t b) const { return real.queries.data() + b * kTileRows; }

  // The block's rows of `source`, with zero rows up to what the products take.
  Packed pack_block(const Rows<const T>& source, int64_t b, float* buffer) const {
    return pack_if_needed(source, real.queries, b * kTileRows, real.block_rows(b), real.product_rows(b), p.channels,
                          buffer);
  }

  BackwardBlock block(int64_t b, float* scores, float* gradients, float* weights) const {
    const auto at = [&](float* data) { return Block{data, real.block_rows(b), real.block_columns(b)}; };
    return {at(scores), at(gradients), at(weights), static_cast<int64_t>(real.keys.size()), real.block_visible(b)};
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
      const float* g = gradients.data + i * gradients.stride;
      const T* o = rows.output[block_queries(b)[i]];
      float lanes[8] = {};
      int64_t d = 0;
      for (; d + 8 <= p.channels; d += 8) {
        for (int64_t n = 0; n < 8; ++n) lanes[n] += g[d + n] * static_cast<float>(o[d + n]);
      }
      for (; d < p.channels; ++d) lanes[0] += g[d] * static_cast<float>(o[d]);
      float sum = 0;
      for (const float lane : lanes) sum += lane;
      shared.delta[b * kTileRows + i] = sum;
    }
  }

  // Calls f(the dropout of the block, or null).
  template <class F>
  void with_dropout(int64_t b, F&& f) const {
    if (!constants.dropout) return f(nullptr);
    uint64_t row_keys[kTileRows];
    dropout_row_keys(p, index, block_queries(b), real.block_rows(b), row_keys);
    const DropoutBlock mask{row_keys, real.keys.data(), constants.dropout_threshold};
    f(&mask);
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

  int64_t gradient_size() const { return round_up(real.key_columns, kTileColumns) * p.channels; }

  // Where a chunk's part of dK and of dV is summed up.
  float* key_part(int64_t chunk, BackwardOwn& own) const {
    if (chunks.count() == 1) return shared.key_gradient;
    return alone ? own.parts : shared.chunk_parts(chunk);
  }
  float* value_part(int64_t chunk, BackwardOwn& own) const {
    if (chunks.count() == 1) return shared.value_gradient;
    return (alone ? own.parts : shared.chunk_parts(chunk)) + shared.columns * p.channels;
  }

  void begin_part(float* part) const { std::fill(part, part + gradient_size(), 0.0f); }

  // total = or += part
  void add_part(float* total, const float* part, bool first) const {
    if (total == part) return;
    if (first) {
      std::copy(part, part + gradient_size(), total);
    } else {
      for (int64_t n = 0; n < gradient_size(); ++n) total[n] += part[n];
    }
  }

  void store_key_gradients() const {
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
