// Operands of bfloat16 products (products.h), made of tensors of bfloat16, where nothing is rounded, or of a block's
// floats, each rounded once, to the nearest, ties to even.
#pragma once

#include <cstdint>

#include "saobp/attention/cpu/forward_rows.h"
#include "saobp/attention/cpu/layout.h"
#include "saobp/attention/cpu/packing.h"
#include "saobp/attention/cpu/products.h"

namespace saobp::attention::cpu {

// target[padded][depth_of(channels)] = rows[indices[n]] for n < count, zeros behind them and behind the channels.
void copy_rows(const Rows<const BFloat16>& rows, const uint32_t* indices, int64_t count, int64_t padded,
               int64_t channels, BFloat16* target);

// The rows as a right operand, in pairs, with zero rows up to depth_of(count).
void pack_pairs(const Rows<const BFloat16>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                BFloat16* target);

// The same transposed, in tiles of [depth_of(channels)][128]; columns from count up to the next multiple of 16 become
// 0.
void pack_pairs_transposed(const Rows<const BFloat16>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                           BFloat16* target);

// target [channels][64] = rowsᵀ, zeros behind the last row up to depth_of(count). `buffer`: of the same size.
void transpose_block(PackedOf<BFloat16> rows, int64_t count, int64_t channels, BFloat16* buffer, BFloat16* target);

// The block's elements, each times its column's weight and without what dropout drops (null: neither), as a left
// operand with zero rows up to a multiple of 8. row_total[i], if wanted: the sums of the former, before rounding and
// dropping.
void weigh_rows(const Block& block, const float* column_weights, const DropoutBlock* dropout, float* row_total,
                BFloat16* target);

// The block as a right operand, tile by tile, with zero rows up to depth_of(rows).
void round_pairs(const Block& block, BFloat16* target);

// block ·= factor
void scale_block(const Block& block, float factor);

}  // namespace saobp::attention::cpu
