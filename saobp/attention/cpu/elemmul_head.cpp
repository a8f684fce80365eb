#include "saobp/attention/cpu/elemmul_head.h"

#include <algorithm>
#include <cmath>

#include "saobp/attention/dropout.h"

namespace saobp::attention::cpu {

Problem as_problem(const ElemmulProblem& problem) {
  Problem same{};
  same.batch = problem.batch;
  same.heads = problem.heads;
  same.queries = same.keys = problem.length;
  same.channels = problem.channels;
  same.query_mask = problem.query_mask;
  same.key_mask = problem.key_mask;
  same.dropout = problem.dropout;
  same.seed = problem.seed;
  same.causal = problem.causal;
  return same;
}

int64_t elemmul_blocks_kept(const ElemmulProblem& problem) {
  const int64_t blocks = divide_up(problem.length, kTileRows);
  return blocks * kTileRows * round_up(problem.length, kTileColumns) <= kKeptFloats ? blocks : 1;
}

int64_t elemmul_table_size(bool causal, int64_t length, int64_t channels) {
  return causal ? round_up(length, kTileRows) * kTileRows : round_up(length, kTileColumns) * channels;
}

ElemmulConstants::ElemmulConstants(const ElemmulProblem& problem)
    : score_scale(static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(problem.channels)))),
      gradient_scale(static_cast<float>(1 / std::sqrt(static_cast<double>(problem.channels)))),
      dropout_threshold(attention::dropout_threshold(problem.dropout)),
      kept_scale(static_cast<float>(1 / (1 - problem.dropout))) {}

ElemmulRows::ElemmulRows(const ElemmulProblem& problem, int64_t batch)
    : RealRows(as_problem(problem), batch), columns(keys.begin(), keys.end()), has_value(queries.size(), 1) {
  columns.resize(key_columns, 0);
  const bool* key_mask = problem.key_mask ? problem.key_mask + batch * problem.length : nullptr;
  for (size_t i = 0; i < queries.size(); ++i) {
    if (key_mask && !key_mask[queries[i]]) has_value[i] = 0;
  }
  all_have_values = std::find(has_value.begin(), has_value.end(), 0) == has_value.end();
}

bool ElemmulRows::any_left_out(int64_t length) const {
  return static_cast<int64_t>(queries.size()) < length || static_cast<int64_t>(keys.size()) < length;
}

Packed ElemmulHead::query_rows(int64_t block, float* buffer) const {
  return pack_if_needed(query, real.queries, block * kTileRows, real.block_rows(block), real.product_rows(block),
                        problem.channels, buffer);
}

Packed ElemmulHead::value_rows(int64_t block, float* buffer) const {
  const int64_t first = block * kTileRows, count = real.block_rows(block), padded = real.product_rows(block);
  if (real.all_have_values) {
    return pack_if_needed(value, real.queries, first, count, padded, problem.channels, buffer);
  }
  for (int64_t i = 0; i < padded; ++i) {
    float* target = buffer + i * problem.channels;
    if (i < count && real.has_value[first + i]) {
      pack_rows(value, real.queries.data() + first + i, 1, problem.channels, 1.0f, target);
    } else {
      std::fill(target, target + problem.channels, 0.0f);
    }
  }
  return {buffer, problem.channels};
}

void ElemmulHead::make_scores(int64_t block_index, const Block& block, const float* keys, float* buffer) const {
  multiply_into_block(block, real.product_rows(block_index), query_rows(block_index, buffer), problem.channels, keys);
}

void ElemmulHead::drop_block(int64_t block_index, const Block& block) const {
  if (problem.dropout == 0) return;
  uint64_t row_keys[kTileRows];
  dropout_row_keys(as_problem(problem), index, real.block_queries(block_index), block.rows, row_keys);
  drop(block, {row_keys, real.columns.data(), constants.dropout_threshold});
}

void store_statistics(const ElemmulHead& head, int64_t b, const RowStatistics* statistics, const ElemmulSaved& saved) {
  const int64_t length = head.problem.length, plane = head.problem.batch * head.problem.heads * length;
  for (int64_t i = 0; i < head.real.block_rows(b); ++i) {
    float* target = saved.statistics + head.index * length + head.real.block_queries(b)[i];
    target[0] = statistics[i].entropy;
    target[plane] = statistics[i].squared_norm;
  }
}

void transpose_rows(Packed rows, int64_t count, int64_t channels, const float* factors, float* target) {
  transpose_block(rows.data, rows.stride, count, channels, target, kTileRows);
  if (!factors) return;
  for (int64_t d = 0; d < channels; ++d) {
    for (int64_t i = 0; i < count; ++i) target[d * kTileRows + i] *= factors[i];
  }
}

void untile(const float* tiles, int64_t columns, int64_t channels, float* rows) {
  for (int64_t column = 0; column < columns; column += kTileColumns) {
    transpose_block(tiles + column * channels, kTileColumns, channels, std::min(kTileColumns, columns - column),
                    rows + column * channels, channels);
  }
}

void transpose_tiles(const Block& block, float* target) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    transpose_block(row_segment(block, 0, column), kTileColumns, block.rows,
                    std::min(kTileColumns, block.columns - column), target + column * kTileRows, kTileRows);
  }
}

void add_into_block(const Block& block, int64_t m, Packed rows, int64_t channels, const float* transposed) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    multiply(m, std::min(kTileColumns, block.columns - column), channels, rows.data, rows.stride,
             transposed + column * channels, kTileColumns, row_segment(block, 0, column), kTileColumns, /*add=*/true);
  }
}

void multiply_by_block(const Block& block, int64_t m, const float* left, const Block& right, bool add) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    multiply(m, std::min(kTileColumns, block.columns - column), right.rows, left, kTileRows,
             row_segment(right, 0, column), kTileColumns, row_segment(block, 0, column), kTileColumns, add);
  }
}

}  // namespace saobp::attention::cpu
