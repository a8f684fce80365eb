// Fused forward pass of ElemMul, causal form, in one sweep over blocks of 64 rows. T and s of the blocks before are
// carried; inside the block, row j meets its rows i ≤ j through the products of its rows with each other:
//   O_j = (A_j ⊙ R_j) (T + Σ_{i ≤ j} a_iᵀ v_i) / A_j (s + Σ_{i ≤ j} a_iᵀ)
#include <algorithm>

#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {

constexpr int64_t kStrip = 32;  // rows of a triangle that are made at a time

void keep_lower_triangle(float* product, int64_t rows) {
  for (int64_t j = 0; j < kTileRows; ++j) {
    const int64_t kept = j < rows ? j + 1 : 0;
    std::fill(product + j * kTileRows + kept, product + (j + 1) * kTileRows, 0.0f);
  }
}

void keep_upper_triangle(float* product, int64_t rows) {
  for (int64_t i = 0; i < kTileRows; ++i) {
    float* row = product + i * kTileRows;
    std::fill(row, row + std::min(i, rows), 0.0f);
    std::fill(row + (i < rows ? rows : 0), row + kTileRows, 0.0f);
  }
}

ElemmulCausalForward::ElemmulCausalForward(const ElemmulProblem& p)
    : columns_(round_up(p.length, kTileColumns)),
      scratch_(2 * columns_ * p.channels + 2 * kTileRows * columns_ + 3 * kTileRows * p.channels + 4 * columns_ +
               16 * kLanes),
      keys_(scratch_.floats(columns_ * p.channels)),
      table_(scratch_.floats(columns_ * p.channels)),
      block_(scratch_.floats(kTileRows * columns_)),
      transposed_(scratch_.floats(kTileRows * columns_)),
      rows_(scratch_.floats(kTileRows * p.channels)),
      values_(scratch_.floats(kTileRows * p.channels)),
      output_rows_(scratch_.floats(kTileRows * p.channels)),
      column_sum_(scratch_.doubles(columns_)),
      base_(scratch_.floats(columns_)),
      running_(scratch_.floats(columns_)) {}

void ElemmulCausalForward::run(const ElemmulHead& head, const ElemmulSaved& saved, const Rows<float>& output) {
  const int64_t channels = head.problem.channels, columns = head.real.key_columns;
  pack_transposed(head.key, head.real.keys.data(), head.real.keys.size(), channels, head.constants.score_scale, keys_);
  std::fill(table_, table_ + columns * channels, 0.0f);
  std::fill(column_sum_, column_sum_ + columns, 0.0);
  for (int64_t b = 0; b < head.real.row_blocks(); ++b) run_block(head, b, saved, output);
}

// product [64][64] = lower triangle of (A ⊙ R) Aᵀ.
void ElemmulCausalForward::multiply_with_itself(const ElemmulHead& head, int64_t b, const Block& block,
                                                float* product) {
  const int64_t padded = head.real.product_rows(b);
  for (int64_t first = 0; first < padded; first += kStrip) {
    const int64_t rows = std::min(kStrip, padded - first);
    for (int64_t column = 0; column < block.columns; column += kTileColumns) {
      multiply(rows, std::min(first + kStrip, kTileRows), std::min(kTileColumns, block.columns - column),
               row_segment(block, first, column), kTileColumns, transposed_ + column * kTileRows, kTileRows,
               product + first * kTileRows, kTileRows, /*add=*/column > 0);
    }
  }
  keep_lower_triangle(product, block.rows);
}

void ElemmulCausalForward::run_block(const ElemmulHead& head, int64_t b, const ElemmulSaved& saved,
                                     const Rows<float>& output) {
  const auto& p = head.problem;
  const auto& real = head.real;
  const int64_t first = b * kTileRows, padded = real.product_rows(b), plane = p.batch * p.heads * p.length;
  const Block block{block_, real.block_rows(b), real.block_columns(b)};
  float* row_max = saved.rows + head.index * p.length + first;
  float *inverse_sum = row_max + plane, *z = inverse_sum + plane;

  head.make_scores(b, block, keys_, rows_);
  std::copy(column_sum_, column_sum_ + block.columns, base_);
  std::fill(running_, running_ + block.columns, 0.0f);
  RowStatistics statistics[kTileRows];
  causal_elemmul_rows(block, real.block_visible(b), base_, running_, row_max, inverse_sum, z,
                      saved.statistics ? statistics : nullptr);
  if (saved.statistics) store_statistics(head, b, statistics, saved);
  for (int64_t k = 0; k < block.columns; ++k) column_sum_[k] += running_[k];

  transpose_tiles(block, transposed_);
  head.drop_block(b, block);
  float* product = saved.tables + head.index * elemmul_table_size(true, p.length, p.channels) + first * kTileRows;
  multiply_with_itself(head, b, block, product);

  const Packed values = head.value_rows(b, values_);
  const Block before{block.data, block.rows, b > 0 ? real.block_columns(b - 1) : 0};  // T is 0 after these
  multiply_block(before, padded, {table_, p.channels}, p.channels, output_rows_);
  multiply(padded, p.channels, block.rows, product, kTileRows, values.data, values.stride, output_rows_, p.channels,
           /*add=*/before.columns > 0);
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    multiply(std::min(kTileColumns, block.columns - column), p.channels, block.rows, transposed_ + column * kTileRows,
             kTileRows, values.data, values.stride, table_ + column * p.channels, p.channels, /*add=*/true);
  }
  for (int64_t i = 0; i < block.rows; ++i) {
    const float factor = head.constants.kept_scale / z[i];
    float* target = output[real.queries[first + i]];
    for (int64_t d = 0; d < p.channels; ++d) target[d] = output_rows_[i * p.channels + d] * factor;
  }
}

}  // namespace saobp::attention::cpu
