// Fused forward pass of ElemMul, causal form, in one sweep over blocks of 64 rows. T and s of the blocks before are
// carried; inside the block, row j meets its rows i ≤ j through the products of its rows with each other:
//   O_j = (A_j ⊙ R_j) (T + Σ_{i ≤ j} a_iᵀ v_i) / A_j (s + Σ_{i ≤ j} a_iᵀ)
// A block goes tile by tile, so that a tile meets all of its products while it is in the cache. Where the chunks of a
// head go to several threads, a sweep before makes their parts of T and s.
#include <algorithm>

#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

class CausalForward : ElemmulHead {
 public:
  struct Shared {
    explicit Shared(const Problem& p)
        : scratch(round_up(p.keys, kTileColumns) * p.channels),
          keys(scratch.floats(round_up(p.keys, kTileColumns) * p.channels)),
          before(p) {}

    Scratch scratch;
    float* keys;           // Kᵀ in tiles
    CarriedChunks before;  // T [L][channels] and s
  };

  struct Own {
    explicit Own(const Problem& p)
        : columns(round_up(p.keys, kTileColumns)),
          scratch(kTileRows * columns + kTileSize + 3 * kTileRows * p.channels),
          block(scratch.floats(kTileRows * columns)),
          transposed(scratch.floats(kTileSize)),
          query_rows(scratch.floats(kTileRows * p.channels)),
          value_rows(scratch.floats(kTileRows * p.channels)),
          output_rows(scratch.floats(kTileRows * p.channels)),
          carried(p) {}

    int64_t columns;
    Scratch scratch;
    float *block, *transposed;                     // A, A ⊙ R; Aᵀ of a tile [128][64]
    float *query_rows, *value_rows, *output_rows;  // [64][channels]
    Carried carried;
  };

  CausalForward(const ElemmulHead& head, Shared& shared, const ElemmulSaved& saved, const View<float>& output)
      : ElemmulHead(head),
        shared_(shared),
        saved_(saved, head),
        output_(head_rows(output, index / p.heads, index % p.heads)),
        chunks_(real) {}

  void run(Own* own) {
    pack_columns_transposed(key, constants.score_scale, shared_.keys);
    CarriedChunks& before = shared_.before;
    before.begin(chunks_, own, real.key_columns);
    if (!own) {
      for_chunks(p, chunks_.count() - 1, own, [&](int64_t chunk, Own& mine) {
        mine.carried.begin_chunk(nullptr, nullptr, real.key_columns);
        for (int64_t b = chunks_.begin(chunk); b < chunks_.end(chunk); ++b) run_block(b, mine, /*outputs=*/false);
        before.store(chunk, mine.carried);
      });
      before.join();
    }
    for_chunks(p, chunks_.count(), own, [&](int64_t chunk, Own& mine) {
      before.begin_chunk(chunk, mine.carried);
      for (int64_t b = chunks_.begin(chunk); b < chunks_.end(chunk); ++b) run_block(b, mine, /*outputs=*/true);
      if (own) before.add(chunk, mine.carried);
    });
  }

 private:
  void run_block(int64_t b, Own& own, bool outputs) const {
    const Block block = this->block(b, own.block);
    make_attention(b, block, own, outputs);
    const Packed values = value_rows(b, own.value_rows);
    const int64_t seen_before = b > 0 ? real.block_columns(b - 1) : 0;  // T is 0 after these
    float* product = saved_.table + b * kTileRows * kTileRows;
    with_dropout(b, [&](const DropoutBlock* dropout) {
      for_tiles(block, [&](const Block& tile, int64_t column) {
        transpose_block(tile.data, kTileColumns, tile.rows, tile.columns, own.transposed, kTileRows);
        if (outputs) {
          drop_tile(tile, column, dropout);
          multiply_lower_triangle(tile, real.product_rows(b), own.transposed, product, /*add=*/column > 0);
          multiply_by_table(b, tile, column, seen_before, own);
        }
        own.carried.add_to_table(column, [&](float* table) {
          multiply(tile.columns, p.channels, tile.rows, own.transposed, kTileRows, values.data, values.stride, table,
                   p.channels, /*add=*/true);
        });
      });
    });
    if (!outputs) return;
    keep_triangle(Triangle::lower, product, block.rows);
    multiply(real.product_rows(b), p.channels, block.rows, product, kTileRows, values.data, values.stride,
             own.output_rows, p.channels, /*add=*/seen_before > 0);
    float factors[kTileRows];
    for (int64_t i = 0; i < block.rows; ++i) factors[i] = constants.kept_scale / saved_.z[b * kTileRows + i];
    store_rows(own.output_rows, block_queries(b), block.rows, p.channels, factors, output_);
  }

  // S → A, with its column sums.
  void make_attention(int64_t b, const Block& block, Own& own, bool outputs) const {
    const int64_t first = b * kTileRows;
    multiply_into_block(block, real.product_rows(b), pack_block(query, b, own.query_rows), p.channels, shared_.keys);
    RowStatistics buffer[kTileRows];
    RowStatistics* statistics = outputs ? saved_.wanted(buffer) : nullptr;
    own.carried.begin_block(block.columns);
    causal_elemmul_rows(block, real.block_visible(b), own.carried.base, own.carried.running, saved_.row_max + first,
                        saved_.inverse_sum + first, saved_.z + first, statistics);
    own.carried.end_block(block.columns);
    saved_.store_statistics(*this, b, statistics);
  }

  // output_rows (+)= tile · T
  void multiply_by_table(int64_t b, const Block& tile, int64_t column, int64_t seen_before, Own& own) const {
    const int64_t count = std::min(tile.columns, seen_before - column);
    if (count <= 0) return;
    multiply(real.product_rows(b), p.channels, count, tile.data, kTileColumns, own.carried.table(column), p.channels,
             own.output_rows, p.channels, /*add=*/column > 0);
  }

  Shared& shared_;
  const ElemmulSavedHead saved_;
  Rows<float> output_;
  Chunks chunks_;
};

}  // namespace

void elemmul_causal_forward(const Problem& problem, const Inputs<float>& inputs, const View<float>& output,
                            const ElemmulSaved& saved) {
  run_elemmul<CausalForward>(problem, inputs, {output}, saved, output);
}

}  // namespace saobp::attention::cpu
