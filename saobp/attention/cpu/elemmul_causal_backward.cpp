// Fused backward pass of ElemMul, causal form. Row j's output depends on A_j as the left factor and, through T and s of
// the rows i ≤ j, on A_i and v_i as the right one. With dN = g / z and dz_j = −g_j · O_j / z_j:
//   left    dA_jk = R_jk (dN_j · T_k) + dz_j s_k,   T = Σ_{i ≤ j} a_iᵀ v_i,           s = Σ_{i ≤ j} a_i
//   right   dA_ik = v_i · U_k + u_k,                U = Σ_{j ≥ i} (a_j ⊙ R_j)ᵀ dN_j,  u = Σ_{j ≥ i} dz_j a_j
//           dv_i = Σ_k A_ik U_k
// The left parts are made in a sweep over blocks of 64 rows from first to last, which carries T and s, the right parts
// in one from last to first, which carries U and u; nothing is subtracted. Inside a block the rows meet each other
// through their [64][64] products. A block goes tile by tile, as in the forward pass. dS = A ⊙ (dA − E) is linear in
// dA: where A and dA of a block are not kept from the first sweep to the second one, each sweep adds its own part of dS
// to dQ and dK. Where the chunks of a head go to several threads, a sweep before each of the two makes what it carries.
#include <algorithm>

#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_gradient.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

class CausalBackward : ElemmulGradient {
 public:
  struct Shared : ElemmulGradient::Shared {
    explicit Shared(const Problem& p)
        : ElemmulGradient::Shared(p),
          kept_blocks(blocks_kept(p)),
          scratch(2 * kept_blocks * kTileRows * columns),
          attention(scratch.floats(kept_blocks * kTileRows * columns)),
          x(scratch.floats(kept_blocks * kTileRows * columns)),
          before(p),
          after(p) {}

    int64_t kept_blocks;
    Scratch scratch;
    float *attention, *x;         // A and ∂L/∂A of the first `kept_blocks`
    CarriedChunks before, after;  // Tᵀ and s; Uᵀ and u; in tiles of [channels][128]
  };

  struct Own : ElemmulGradient::Own {
    explicit Own(const Problem& p)
        : ElemmulGradient::Own(p),
          scratch(2 * kTileRows * columns + 2 * kTileSize + kTileRows * kTileRows + kTileRows * p.channels),
          attention(scratch.floats(kTileRows * columns)),
          x(scratch.floats(kTileRows * columns)),
          left(scratch.floats(kTileSize)),
          transposed(scratch.floats(kTileSize)),
          pairs(scratch.floats(kTileRows * kTileRows)),
          value_columns(scratch.floats(kTileRows * p.channels)),
          carried(p) {}

    Scratch scratch;
    float *attention, *x;          // where they are not kept
    float *left, *transposed;      // A ⊙ R of a tile; its Aᵀ [128][64]
    float *pairs, *value_columns;  // [64][64]; dVᵀ [channels][64]
    Carried carried;
  };

  CausalBackward(const ElemmulHead& head, Shared& shared, const ElemmulUpstream& upstream,
                 const Gradients<float, float>& gradients)
      : ElemmulGradient(head, shared, upstream, gradients), shared_(shared) {}

  void run(Own* own) {
    const int64_t count = chunks_.count();
    const bool all_kept = real.row_blocks() <= shared_.kept_blocks;
    begin(/*alone=*/own != nullptr);
    carry(shared_.before, own, [&](int64_t n, Own& mine, bool outputs) {
      float* key_part = outputs && !all_kept ? shared_.key_sum.begin_chunk(n, mine.part) : nullptr;
      // Of all chunks but the last, the sweep before has made A.
      const bool made = outputs && !own && n + 1 < count;
      for (int64_t b = chunks_.begin(n); b < chunks_.end(n); ++b) left_block(b, mine, made, outputs, key_part);
      if (key_part) shared_.key_sum.end_chunk(key_part);
    });
    if (!all_kept) shared_.key_sum.combine();
    carry(shared_.after, own, [&](int64_t n, Own& mine, bool outputs) {
      const int64_t chunk = count - 1 - n;
      float* key_part = outputs ? shared_.key_sum.begin_chunk(chunk, mine.part) : nullptr;
      for (int64_t b = chunks_.end(chunk) - 1; b >= chunks_.begin(chunk); --b) right_block(b, mine, outputs, key_part);
      if (key_part) shared_.key_sum.end_chunk(key_part);
    });
    finish(/*backwards=*/true);
  }

 private:
  // Runs sweep(n, own, outputs) for the chunks n = 0, 1, … of a sweep, with what the chunks before have left; where
  // several threads take them, first without outputs.
  template <class Sweep>
  void carry(CarriedChunks& gone_by, Own* own, Sweep&& sweep) {
    const int64_t count = chunks_.count();
    gone_by.begin(chunks_, own != nullptr, real.key_columns);
    if (!own) {
      for_chunks(p, count - 1, own, [&](int64_t n, Own& mine) {
        mine.carried.begin_chunk(nullptr, nullptr, real.key_columns);
        sweep(n, mine, /*outputs=*/false);
        gone_by.store(n, mine.carried);
      });
      gone_by.join();
    }
    for_chunks(p, count, own, [&](int64_t n, Own& mine) {
      gone_by.begin_chunk(n, mine.carried);
      sweep(n, mine, /*outputs=*/true);
      if (own) gone_by.add(n, mine.carried);
    });
  }

  bool kept(int64_t b) const { return b < shared_.kept_blocks; }
  Block attention_block(int64_t b, Own& own) const {
    return block(b, kept(b) ? shared_.attention + b * kTileRows * shared_.columns : own.attention);
  }
  Block gradient_block(int64_t b, Own& own) const {
    return block(b, kept(b) ? shared_.x + b * kTileRows * shared_.columns : own.x);
  }

  // made: if the block is kept, A has been made.
  void left_block(int64_t b, Own& own, bool made, bool outputs, float* key_part) const {
    const Block attention = attention_block(b, own), x = gradient_block(b, own);
    const int64_t padded = real.product_rows(b), seen_before = b > 0 ? real.block_columns(b - 1) : 0;
    const Packed queries = pack_block(query, b, own.query_rows), numerator = numerator_gradient(b, own);
    const float* values = transposed(value_rows(b, own.value_rows), b, own);
    multiply(padded, kTileRows, p.channels, numerator.data, numerator.stride, values, kTileRows, own.pairs, kTileRows,
             /*add=*/false);
    keep_triangle(Triangle::lower, own.pairs, attention.rows);
    float ones[kTileRows];
    std::fill(ones, ones + kTileRows, 1.0f);
    Carried& carried = own.carried;
    carried.begin_block(attention.columns);
    with_dropout(b, [&](const DropoutBlock* dropout) {
      for_tiles(attention, [&](const Block& a, int64_t column) {
        if (!made || !kept(b)) make_tile(b, a, column, queries);
        if (outputs) {
          // x = R ⊙ (dN Tᵀ) + dz s, with the block's own rows by way of dN Vᵀ.
          const Block tile{row_segment(x, 0, column), a.rows, a.columns};
          multiply_by_triangle(Triangle::lower, tile, padded, own.pairs, a, /*add=*/false);
          multiply_by_table({tile.data, tile.rows, std::min(a.columns, seen_before - column)}, padded, numerator,
                            carried.table(column));
          drop_tile(tile, column, dropout);
          causal_left_gradient(a, tile, own.dz, carried.base + column, carried.running + column);
        } else {
          carried.add_rows(a, column, ones, /*backwards=*/false);
        }
        carried.add_to_table(column, [&](float* table) { add_product(values, a, table); });
      });
    });
    carried.end_block(attention.columns);
    if (!outputs || kept(b)) return;
    softmax_gradient(attention, x);
    add_score_gradient(b, x, key_part, /*first=*/true, own);
  }

  void right_block(int64_t b, Own& own, bool outputs, float* key_part) const {
    const Block attention = attention_block(b, own), x = gradient_block(b, own);
    const int64_t padded = real.product_rows(b), seen_after = b + 1 < real.row_blocks() ? attention.columns : 0;
    const Packed queries = pack_block(query, b, own.query_rows), values = value_rows(b, own.value_rows);
    const float* numerator = transposed(numerator_gradient(b, own), b, own);
    multiply(padded, kTileRows, p.channels, values.data, values.stride, numerator, kTileRows, own.pairs, kTileRows,
             /*add=*/false);
    keep_triangle(Triangle::upper, own.pairs, attention.rows);
    Carried& carried = own.carried;
    carried.begin_block(attention.columns);
    with_dropout(b, [&](const DropoutBlock* dropout) {
      for_tiles(attention, [&](const Block& a, int64_t column) {
        if (!kept(b)) make_tile(b, a, column, queries);
        const Block left = dropped(a, column, dropout, own);
        if (outputs) {
          // x += V Uᵀ + u, with the block's own rows by way of V dNᵀ.
          const Block tile{row_segment(x, 0, column), a.rows, a.columns};
          multiply_by_triangle(Triangle::upper, tile, padded, own.pairs, left, /*add=*/kept(b));
          multiply_by_table({tile.data, tile.rows, std::min(a.columns, seen_after - column)}, padded, values,
                            carried.table(column));
          if (seen_after > 0) add_to_value_gradient(a, column, own);
          causal_right_gradient(a, tile, own.dz, carried.base + column, carried.running + column);
        } else {
          carried.add_rows(a, column, own.dz, /*backwards=*/true);
        }
        carried.add_to_table(column, [&](float* table) { add_product(numerator, left, table); });
      });
    });
    carried.end_block(attention.columns);
    if (!outputs) return;
    finish_value_gradient(b, numerator, /*add=*/seen_after > 0, own);
    softmax_gradient(attention, x);
    add_score_gradient(b, x, key_part, /*first=*/kept(b), own);
  }

  // A ⊙ R of a tile, up to the factor 1/(1 − p), which the gradient of the numerator brings.
  static Block dropped(const Block& a, int64_t column, const DropoutBlock* dropout, Own& own) {
    if (!dropout) return a;
    std::copy_n(a.data, kTileSize, own.left);
    const Block left{own.left, a.rows, a.columns};
    drop_tile(left, column, dropout);
    return left;
  }

  // tile += rows · table
  void multiply_by_table(const Block& tile, int64_t m, Packed rows, const float* table) const {
    if (tile.columns <= 0) return;
    multiply(m, tile.columns, p.channels, rows.data, rows.stride, table, kTileColumns, tile.data, kTileColumns,
             /*add=*/true);
  }

  // table += rowsᵀ · tile
  void add_product(const float* rows_transposed, const Block& tile, float* table) const {
    multiply(p.channels, tile.columns, tile.rows, rows_transposed, kTileRows, tile.data, kTileColumns, table,
             kTileColumns, /*add=*/true);
  }

  // dVᵀ (+)= Uᵀ Aᵀ of a tile.
  void add_to_value_gradient(const Block& a, int64_t column, Own& own) const {
    transpose_block(a.data, kTileColumns, a.rows, a.columns, own.transposed, kTileRows);
    multiply(p.channels, kTileRows, a.columns, own.carried.table(column), kTileColumns, own.transposed, kTileRows,
             own.value_columns, kTileRows, /*add=*/column > 0);
  }

  // dVᵀ (+)= dNᵀ (A ⊙ R) Aᵀ, of which the forward pass kept the product.
  void finish_value_gradient(int64_t b, const float* numerator, bool add, Own& own) const {
    multiply(p.channels, kTileRows, real.block_rows(b), numerator, kTileRows, saved_.table + b * kTileRows * kTileRows,
             kTileRows, own.value_columns, kTileRows, add);
    transpose_block(own.value_columns, kTileRows, p.channels, real.block_rows(b), own.spare_rows, p.channels);
    write_value_gradient(b, own);
  }

  Shared& shared_;
};

}  // namespace

void elemmul_causal_backward(const Problem& problem, const Inputs<float>& inputs, const ElemmulUpstream& upstream,
                             const Gradients<float, float>& gradients) {
  run_elemmul<CausalBackward>(problem, inputs, {gradients.query, gradients.key, gradients.value}, upstream, gradients);
}

}  // namespace saobp::attention::cpu
