// Fused backward pass of ElemMul, causal form. Row j's output depends on A_j as the left factor and, through T and s of
// the rows i ≤ j, on A_i and v_i as the right one. With dN = g / z and dz_j = −g_j · O_j / z_j:
//   left    dA_jk = R_jk (dN_j · T_k) + dz_j s_k,   T = Σ_{i ≤ j} a_iᵀ v_i,           s = Σ_{i ≤ j} a_i
//   right   dA_ik = v_i · U_k + u_k,                U = Σ_{j ≥ i} (a_j ⊙ R_j)ᵀ dN_j,  u = Σ_{j ≥ i} dz_j a_j
//           dv_i = Σ_k A_ik U_k
// The left parts are made in a sweep over blocks of 64 rows from first to last, which carries T and s, the right parts
// in one from last to first, which carries U and u; nothing is subtracted. Inside a part of 32 rows the rows meet each
// other through their products. A block goes tile by tile, as in the forward pass. dS = A ⊙ (dA − E) is linear in dA:
// where A and dA of a block are not kept from the first sweep to the second one, each sweep adds its own part of dS to
// dQ and dK.
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
          before(p, Order::forwards),
          after(p, Order::backwards),
          scratch([&](auto& place) {
            place(attention, kept_blocks * kTileRows * columns);
            place(x, kept_blocks * kTileRows * columns);
          }) {}

    int64_t kept_blocks;
    float *attention, *x;         // A and ∂L/∂A of the first `kept_blocks`
    CarriedChunks before, after;  // Tᵀ and s; Uᵀ and u; in tiles of [channels][128]
    Scratch scratch;
  };

  struct Own : ElemmulGradient::Own {
    explicit Own(const Problem& p)
        : ElemmulGradient::Own(p), carried(p), scratch([&](auto& place) {
            place(attention, kTileRows * columns);
            place(x, kTileRows * columns);
            place(left, kTileSize);
            place(transposed, kTileSize);
            place(pairs, kTileRows * kPartRows);
            place(value_columns, kTileRows * p.channels);
          }) {}

    float *attention, *x;          // where they are not kept
    float *left, *transposed;      // A ⊙ R of a tile; its Aᵀ [128][64]
    float *pairs, *value_columns;  // [parts][32][32]; dVᵀ [channels][64]
    Carried carried;
    Scratch scratch;
  };

  CausalBackward(const Head& head, const ElemmulBackward& call, Shared& shared)
      : ElemmulGradient(head, call, shared), shared_(shared) {}

  void run(Own* own) {
    const bool all_kept = real.row_blocks() <= shared_.kept_blocks;
    begin(/*alone=*/own != nullptr);
    if (!own) carry_before();
    shared_.before.for_carried(*this, chunks_, own, [&](int64_t chunk, Own& mine) {
      float* key_part = all_kept ? nullptr : shared_.key_sum.begin_chunk(chunk, mine.part);
      for_blocks(chunks_, chunk, Order::forwards, [&](int64_t b) { left_block(b, key_part, mine); });
      if (key_part) shared_.key_sum.end_chunk(key_part);
    });
    if (!all_kept) shared_.key_sum.combine();
    if (!own) carry_after();
    shared_.after.for_carried(*this, chunks_, own, [&](int64_t chunk, Own& mine) {
      float* key_part = shared_.key_sum.begin_chunk(chunk, mine.part);
      for_blocks(chunks_, chunk, Order::backwards, [&](int64_t b) { right_block(b, key_part, mine); });
      shared_.key_sum.end_chunk(key_part);
    });
    finish(/*backwards=*/true);
  }

 private:
  bool kept(int64_t b) const { return b < shared_.kept_blocks; }
  Block attention_block(int64_t b, Own& own) const {
    return block(b, kept(b) ? shared_.attention + b * kTileRows * shared_.columns : own.attention);
  }
  Block gradient_block(int64_t b, Own& own) const {
    return block(b, kept(b) ? shared_.x + b * kTileRows * shared_.columns : own.x);
  }
  static Block tile_of(const Block& block, int64_t column) {
    return {row_segment(block, 0, column), block.rows, std::min(kTileColumns, block.columns - column)};
  }

  // T and s before each chunk.
  void carry_before() {
    shared_.before.make<Own>(*this, chunks_, [&](int64_t b, int64_t column, Own& own) {
      const Block a = tile_of(block(b, own.attention), column);
      make_tile(b, a, column, pack_block(query, b, own.query_rows));
      add_columns(a, /*row_weights=*/nullptr, own.carried.sums() + column);
      const float* values = transposed(value_rows(b, own.value_rows), b, own);
      for_parts(*this, b, Order::forwards, [&](const Part& part) { add_to_table(b, part, column, values, a, own); });
    });
  }

  // U and u after each chunk.
  void carry_after() {
    shared_.after.make<Own>(*this, chunks_, [&](int64_t b, int64_t column, Own& own) {
      const Block a = tile_of(attention_block(b, own), column);
      if (!kept(b)) make_tile(b, a, column, pack_block(query, b, own.query_rows));
      const float* numerator = transposed(numerator_gradient(b, own), b, own);
      add_columns(a, own.dz, own.carried.sums() + column, /*backwards=*/true);
      with_dropout(b, [&](const DropoutBlock* dropout) {
        const Block left = dropped(a, column, dropout, own);
        for_parts(*this, b, Order::backwards,
                  [&](const Part& part) { add_to_table(b, part, column, numerator, left, own); });
      });
    });
  }

  // x = R ⊙ (dN Tᵀ) + dz s, with the part's own rows by way of dN Vᵀ.
  void left_block(int64_t b, float* key_part, Own& own) const {
    const Block attention = attention_block(b, own), x = gradient_block(b, own);
    const Packed queries = pack_block(query, b, own.query_rows), numerator = numerator_gradient(b, own);
    const float* values = transposed(value_rows(b, own.value_rows), b, own);
    make_pairs(b, Triangle::lower, numerator, values, own);
    own.carried.begin_block(attention.columns);
    with_dropout(b, [&](const DropoutBlock* dropout) {
      for_tiles(attention, [&](const Block& a, int64_t column) {
        const Block tile = tile_of(x, column);
        make_tile(b, a, column, queries);
        for_parts(*this, b, Order::forwards, [&](const Part& part) {
          const int64_t row = b * kTileRows + part.first;
          multiply_by_triangle(Triangle::lower, part, a.columns, own.pairs + part.first * kPartRows, rows_of(a, part),
                               rows_of(tile, part), /*add=*/false);
          multiply_by_table(part, columns_seen(*this, row - 1) - column, numerator, column, tile, own);
          add_to_table(b, part, column, values, a, own);
        });
        drop_tile(tile, column, dropout);
        causal_left_gradient(a, tile, own.dz, own.carried.base + column, own.carried.running + column);
      });
    });
    own.carried.end_block(attention.columns);
    if (kept(b)) return;
    softmax_gradient(attention, x);
    add_score_gradient(b, x, key_part, /*first=*/true, own);
  }

  // x += V Uᵀ + u, with the part's own rows by way of V dNᵀ.
  void right_block(int64_t b, float* key_part, Own& own) const {
    const Block attention = attention_block(b, own), x = gradient_block(b, own);
    const Packed queries = pack_block(query, b, own.query_rows), values = value_rows(b, own.value_rows);
    const float* numerator = transposed(numerator_gradient(b, own), b, own);
    make_pairs(b, Triangle::upper, values, numerator, own);
    own.carried.begin_block(attention.columns);
    with_dropout(b, [&](const DropoutBlock* dropout) {
      for_tiles(attention, [&](const Block& a, int64_t column) {
        const Block tile = tile_of(x, column);
        if (!kept(b)) make_tile(b, a, column, queries);
        const Block left = dropped(a, column, dropout, own);
        transpose_block(a.data, kTileColumns, a.rows, a.columns, own.transposed, kTileRows);
        for_parts(*this, b, Order::backwards, [&](const Part& part) {
          multiply_by_triangle(Triangle::upper, part, a.columns, own.pairs + part.first * kPartRows,
                               rows_of(left, part), rows_of(tile, part), /*add=*/kept(b));
          if (!is_last(b, part)) {  // else U is 0
            const int64_t seen = columns_seen(*this, b * kTileRows + part.first + part.rows - 1) - column;
            multiply_by_table(part, seen, values, column, tile, own);
            add_to_value_gradient(part, seen, column, own);
          }
          add_to_table(b, part, column, numerator, left, own);
        });
        causal_right_gradient(a, tile, own.dz, own.carried.base + column, own.carried.running + column);
      });
    });
    own.carried.end_block(attention.columns);
    finish_value_gradient(b, numerator, own);
    softmax_gradient(attention, x);
    add_score_gradient(b, x, key_part, /*first=*/kept(b), own);
  }

  static float* rows_of(const Block& tile, const Part& part) { return tile.data + part.first * kTileColumns; }

  bool is_last(int64_t b, const Part& part) const {
    return b * kTileRows + part.first + part.rows == static_cast<int64_t>(real.queries.size());
  }

  // A ⊙ R of a tile, up to the factor 1/(1 − p), which the gradient of the numerator brings.
  static Block dropped(const Block& a, int64_t column, const DropoutBlock* dropout, Own& own) {
    if (!dropout) return a;
    std::copy_n(a.data, kTileSize, own.left);
    const Block left{own.left, a.rows, a.columns};
    drop_tile(left, column, dropout);
    return left;
  }

  // own.pairs = a triangle of rows · transposed of each part; transposed: [channels][64].
  void make_pairs(int64_t b, Triangle triangle, Packed rows, const float* transposed, Own& own) const {
    for_parts(*this, b, Order::forwards, [&](const Part& part) {
      float* pairs = own.pairs + part.first * kPartRows;
      multiply(part.padded, kPartRows, p.channels, rows.data + part.first * rows.stride, rows.stride,
               transposed + part.first, kTileRows, pairs, kPartRows, /*add=*/false);
      keep_triangle(triangle, part.rows, pairs);
    });
  }

  // The part's rows of the tile += rows · table, in the first columns of the tile.
  void multiply_by_table(const Part& part, int64_t columns, Packed rows, int64_t column, const Block& tile,
                         Own& own) const {
    if (columns <= 0) return;
    multiply(part.padded, std::min(tile.columns, columns), p.channels, rows.data + part.first * rows.stride,
             rows.stride, own.carried.table(column), kTileColumns, rows_of(tile, part), kTileColumns, /*add=*/true);
  }

  // table += rowsᵀ · tile, for the part's rows; rows_transposed: [channels][64].
  void add_to_table(int64_t b, const Part& part, int64_t column, const float* rows_transposed, const Block& tile,
                    Own& own) const {
    const int64_t seen = columns_seen(*this, b * kTileRows + part.first + part.rows - 1) - column;
    if (seen <= 0) return;
    multiply(p.channels, std::min(tile.columns, seen), part.rows, rows_transposed + part.first, kTileRows,
             rows_of(tile, part), kTileColumns, own.carried.table(column), kTileColumns, /*add=*/true);
  }

  // dVᵀ (+)= Uᵀ Aᵀ of the part's rows of a tile.
  void add_to_value_gradient(const Part& part, int64_t columns, int64_t column, Own& own) const {
    if (columns <= 0) return;
    multiply(p.channels, kPartRows, std::min(kTileColumns, columns), own.carried.table(column), kTileColumns,
             own.transposed + part.first, kTileRows, own.value_columns + part.first, kTileRows, /*add=*/column > 0);
  }

  // dVᵀ (+)= dNᵀ (A ⊙ R) Aᵀ of each part, of which the forward pass kept the product.
  void finish_value_gradient(int64_t b, const float* numerator, Own& own) const {
    const float* pairs = saved_.table + b * kTileRows * kPartRows;
    for_parts(*this, b, Order::forwards, [&](const Part& part) {
      multiply(p.channels, kPartRows, part.rows, numerator + part.first, kTileRows, pairs + part.first * kPartRows,
               kPartRows, own.value_columns + part.first, kTileRows, /*add=*/!is_last(b, part));
    });
    transpose_block(own.value_columns, kTileRows, p.channels, real.block_rows(b), own.spare_rows, p.channels);
    write_value_gradient(b, own);
  }

  Shared& shared_;
};

}  // namespace

void elemmul_causal_backward(const Problem& problem, const ElemmulBackward& call) {
  run_heads<CausalBackward>(problem, call);
}

}  // namespace saobp::attention::cpu
