// Fused backward pass of ElemMul, causal form. Row j's output depends on A_j as the left factor and, through T and s of
// the rows i ≤ j, on A_i and v_i as the right one. With dN = g / z and dz_j = −g_j · O_j / z_j:
//   left    dA_jk = R_jk (dN_j · T_k) + dz_j s_k,   T = Σ_{i ≤ j} a_iᵀ v_i,           s = Σ_{i ≤ j} a_i
//   right   dA_ik = v_i · U_k + u_k,                U = Σ_{j ≥ i} (a_j ⊙ R_j)ᵀ dN_j,  u = Σ_{j ≥ i} dz_j a_j
//           dv_i = Σ_k A_ik U_k
// The left parts are made in a sweep over blocks of 64 rows from first to last, which carries T and s, the right parts
// in one from last to first, which carries U and u; nothing is subtracted. Inside a block the rows meet each other
// through their [64][64] products. dS = A ⊙ (dA − E) is linear in dA: where A and dA of all blocks are too large to be
// kept from the first sweep to the second one, each sweep adds its own part of dS to dQ and dK.
#include <algorithm>

#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {

ElemmulCausalBackward::ElemmulCausalBackward(const ElemmulProblem& p)
    : columns_(round_up(p.length, kTileColumns)),
      kept_blocks_(elemmul_blocks_kept(p)),
      scratch_((2 * kept_blocks_ + 2) * kTileRows * columns_ + columns_ * p.channels + kTileRows * kTileRows +
               kTileRows * p.channels + 4 * columns_ + 16 * kLanes),
      attention_(scratch_.floats(kept_blocks_ * kTileRows * columns_)),
      x_(scratch_.floats(kept_blocks_ * kTileRows * columns_)),
      left_(scratch_.floats(kTileRows * columns_)),
      transposed_(scratch_.floats(kTileRows * columns_)),
      table_(scratch_.floats(columns_ * p.channels)),
      pairs_(scratch_.floats(kTileRows * kTileRows)),
      value_columns_(scratch_.floats(kTileRows * p.channels)),
      column_sum_(scratch_.doubles(columns_)),
      base_(scratch_.floats(columns_)),
      running_(scratch_.floats(columns_)) {}

void ElemmulCausalBackward::run(ElemmulGradientHead& gradient, const ElemmulSaved& saved) {
  const ElemmulHead& head = gradient.head;
  const int64_t blocks = head.real.row_blocks(), length = head.problem.length;
  const float* products = saved.tables + head.index * elemmul_table_size(true, length, head.problem.channels);
  clear_sums(head);
  for (int64_t b = 0; b < blocks; ++b) left_block(gradient, b);
  clear_sums(head);
  for (int64_t b = blocks; b-- > 0;) right_block(gradient, b, products + b * kTileRows * kTileRows);
}

void ElemmulCausalBackward::clear_sums(const ElemmulHead& head) {
  std::fill(table_, table_ + columns_ * head.problem.channels, 0.0f);
  std::fill(column_sum_, column_sum_ + columns_, 0.0);
}

Block ElemmulCausalBackward::block_of(float* data, const ElemmulHead& head, int64_t b) const {
  return {data + (kept_blocks_ > 1 ? b : 0) * kTileRows * columns_, head.real.block_rows(b),
          head.real.block_columns(b)};
}

void ElemmulCausalBackward::start_block(const Block& block) {
  std::copy(column_sum_, column_sum_ + block.columns, base_);
  std::fill(running_, running_ + block.columns, 0.0f);
}

void ElemmulCausalBackward::end_block(const Block& block) {
  for (int64_t k = 0; k < block.columns; ++k) column_sum_[k] += running_[k];
}

void ElemmulCausalBackward::left_block(ElemmulGradientHead& gradient, int64_t b) {
  const ElemmulHead& head = gradient.head;
  const Block attention = block_of(attention_, head, b), x = block_of(x_, head, b);
  const int64_t channels = head.problem.channels, padded = head.real.product_rows(b);
  gradient.make_attention(b, attention);

  // x = R ⊙ (dN Tᵀ), with the block's own rows by way of dN Vᵀ.
  const Packed numerator = gradient.numerator_gradient(b);
  const float* values = gradient.transposed(gradient.values(b), b);
  multiply(padded, kTileRows, channels, numerator.data, numerator.stride, values, kTileRows, pairs_, kTileRows, false);
  keep_lower_triangle(pairs_, attention.rows);
  multiply_by_block(x, padded, pairs_, attention, /*add=*/false);
  const Block before{x.data, x.rows, b > 0 ? head.real.block_columns(b - 1) : 0};  // T is 0 after these
  add_into_block(before, padded, numerator, channels, table_);
  head.drop_block(b, x);

  start_block(x);
  causal_left_gradient(attention, x, gradient.dz(b), base_, running_);
  end_block(x);
  accumulate_transposed(values, attention, attention.rows, channels, table_, /*add=*/true);
  if (kept_blocks_ > 1 || head.real.row_blocks() == 1) return;
  softmax_gradient(attention, x);
  gradient.add_score_gradient(b, x, /*first=*/true);
}

void ElemmulCausalBackward::right_block(ElemmulGradientHead& gradient, int64_t b, const float* product) {
  const ElemmulHead& head = gradient.head;
  const Block attention = block_of(attention_, head, b), x = block_of(x_, head, b);
  const int64_t channels = head.problem.channels, padded = head.real.product_rows(b);
  const bool kept = kept_blocks_ > 1 || head.real.row_blocks() == 1;  // A, and the left part in x
  if (!kept) gradient.make_attention(b, attention);
  const Block left = gradient.dropped(b, attention, left_);

  // x += V Uᵀ, with the block's own rows by way of V dNᵀ.
  const Packed values = gradient.values(b);
  const float* numerator = gradient.transposed(gradient.numerator_gradient(b), b);
  multiply(padded, kTileRows, channels, values.data, values.stride, numerator, kTileRows, pairs_, kTileRows, false);
  keep_upper_triangle(pairs_, attention.rows);
  multiply_by_block(x, padded, pairs_, left, /*add=*/kept);
  add_into_block(x, padded, values, channels, table_);

  make_value_gradient(gradient, b, attention, numerator, product);
  accumulate_transposed(numerator, left, left.rows, channels, table_, /*add=*/true);

  start_block(x);
  causal_right_gradient(attention, x, gradient.dz(b), base_, running_);
  end_block(x);
  gradient.add_score_gradient(b, x, /*first=*/kept);
}

// dVᵀ = Uᵀ Aᵀ + dNᵀ product, for the block.
void ElemmulCausalBackward::make_value_gradient(ElemmulGradientHead& gradient, int64_t b, const Block& attention,
                                                const float* numerator, const float* product) {
  const int64_t channels = gradient.head.problem.channels;
  transpose_tiles(attention, transposed_);
  for (int64_t column = 0; column < attention.columns; column += kTileColumns) {
    multiply(channels, kTileRows, std::min(kTileColumns, attention.columns - column), table_ + column * channels,
             kTileColumns, transposed_ + column * kTileRows, kTileRows, value_columns_, kTileRows,
             /*add=*/column > 0);
  }
  multiply(channels, kTileRows, attention.rows, numerator, kTileRows, product, kTileRows, value_columns_, kTileRows,
           /*add=*/attention.columns > 0);
  transpose_block(value_columns_, kTileRows, channels, attention.rows, gradient.spare_rows(), channels);
  gradient.write_value_gradient(b);
}

}  // namespace saobp::attention::cpu
