// Fused forward pass of ElemMul, causal form, in one sweep over blocks of 64 rows, and within them parts of 32 rows. T
// and s of the rows before are carried; inside a part, row j meets its rows i ≤ j through their products:
//   O_j = (A_j ⊙ R_j) (T + Σ_{i ≤ j} a_iᵀ v_i) / A_j (s + Σ_{i ≤ j} a_iᵀ)
// A block goes tile by tile, so that a tile meets all of its products while it is in the cache.
#include <algorithm>

#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

class CausalForward : ElemmulHead {
 public:
  struct Shared {
    explicit Shared(const Problem& p)
        : before(p, Order::forwards),
          scratch([&](auto& place) { place(keys, round_up(p.keys, kTileColumns) * p.channels); }) {}

    float* keys;           // Kᵀ in tiles
    CarriedChunks before;  // T [L][channels] and s
    Scratch scratch;
  };

  struct Own {
    explicit Own(const Problem& p)
        : columns(round_up(p.keys, kTileColumns)), carried(p), scratch([&](auto& place) {
            place(block, kTileRows * columns);
            place(transposed, kTileSize);
            place(query_rows, kTileRows * p.channels);
            place(value_rows, kTileRows * p.channels);
            place(output_rows, kTileRows * p.channels);
          }) {}

    int64_t columns;
    float *block, *transposed;                     // A, A ⊙ R; Aᵀ of a tile [128][64]
    float *query_rows, *value_rows, *output_rows;  // [64][channels]
    Carried carried;
    Scratch scratch;
  };

  CausalForward(const Head& head, const ElemmulForward& call, Shared& shared)
      : ElemmulHead(head, call.inputs),
        shared_(shared),
        saved_(call.saved, head),
        output_(query_rows(call.output)),
        chunks_(real) {}

  void run(Own* own) {
    pack_columns_transposed(key, constants.score_scale, shared_.keys);
    if (!own) carry_ahead();
    shared_.before.for_carried(*this, chunks_, own, [&](int64_t chunk, Own& mine) {
      for_blocks(chunks_, chunk, Order::forwards, [&](int64_t b) { run_block(b, mine); });
    });
  }

 private:
  // T and s before each chunk; for that the rows' maxima and sums.
  void carry_ahead() {
    for_chunks(p, chunks_.count() - 1, static_cast<Own*>(nullptr), [&](int64_t chunk, Own& own) {
      for_blocks(chunks_, chunk, Order::forwards, [&](int64_t b) {
        exponentials(make_scores(b, own), real.block_visible(b), saved_.row_max + b * kTileRows,
                     saved_.inverse_sum + b * kTileRows);
      });
    });
    shared_.before.make<Own>(*this, chunks_, [&](int64_t b, int64_t column, Own& own) {
      const Block tile{own.block, real.block_rows(b), std::min(kTileColumns, real.block_columns(b) - column)};
      make_tile(b, tile, column, pack_block(query, b, own.query_rows), shared_.keys, saved_);
      add_columns(tile, /*row_weights=*/nullptr, own.carried.sums() + column);
      transpose_block(tile.data, kTileColumns, tile.rows, tile.columns, own.transposed, kTileRows);
      const Packed values = value_rows(b, own.value_rows);
      for_parts(*this, b, Order::forwards, [&](const Part& part) { add_to_table(b, part, column, values, own); });
    });
  }

  Block make_scores(int64_t b, Own& own) const {
    const Block scores = block(b, own.block);
    multiply_into_block(scores, real.product_rows(b), pack_block(query, b, own.query_rows), p.channels, shared_.keys);
    return scores;
  }

  void run_block(int64_t b, Own& own) const {
    const Block block = make_attention(b, own);
    const Packed values = value_rows(b, own.value_rows);
    float* pairs = saved_.table + b * kTileRows * kPartRows;
    with_dropout(b, [&](const DropoutBlock* dropout) {
      for_tiles(block, [&](const Block& tile, int64_t column) {
        transpose_block(tile.data, kTileColumns, tile.rows, tile.columns, own.transposed, kTileRows);
        drop_tile(tile, column, dropout);
        for_parts(*this, b, Order::forwards, [&](const Part& part) {
          multiply_rows(b, part, tile, column, pairs + part.first * kPartRows, own);
          add_to_table(b, part, column, values, own);
        });
      });
    });
    for_parts(*this, b, Order::forwards, [&](const Part& part) {
      float* of_part = pairs + part.first * kPartRows;
      keep_triangle(Triangle::lower, part.rows, of_part);
      multiply(part.padded, p.channels, part.rows, of_part, kPartRows, values.data + part.first * values.stride,
               values.stride, own.output_rows + part.first * p.channels, p.channels,
               /*add=*/b * kTileRows + part.first > 0);
    });
    float factors[kTileRows];
    for (int64_t i = 0; i < block.rows; ++i) factors[i] = constants.kept_scale / saved_.z[b * kTileRows + i];
    store_rows(own.output_rows, block_queries(b), block.rows, p.channels, factors, output_);
  }

  // S → A, with its column sums.
  Block make_attention(int64_t b, Own& own) const {
    const Block block = make_scores(b, own);
    const int64_t first = b * kTileRows;
    RowStatistics statistics[kTileRows];
    own.carried.begin_block(block.columns);
    causal_elemmul_rows(block, real.block_visible(b), own.carried.base, own.carried.running, saved_.row_max + first,
                        saved_.inverse_sum + first, saved_.z + first, saved_.wanted(statistics));
    own.carried.end_block(block.columns);
    saved_.store_statistics(*this, b, saved_.wanted(statistics));
    return block;
  }

  // The part's rows of a tile: their products with each other, and output_rows (+)= tile · T.
  void multiply_rows(int64_t b, const Part& part, const Block& tile, int64_t column, float* pairs, Own& own) const {
    const int64_t row = b * kTileRows + part.first;
    const int64_t seen = std::min(tile.columns, columns_seen(*this, row + part.rows - 1) - column);
    const int64_t seen_before = std::min(tile.columns, columns_seen(*this, row - 1) - column);  // T is 0 after these
    const float* rows = tile.data + part.first * kTileColumns;
    if (seen > 0) multiply_lower_triangle(part, seen, rows, own.transposed + part.first, pairs, /*add=*/column > 0);
    if (seen_before > 0) {
      multiply(part.padded, p.channels, seen_before, rows, kTileColumns, own.carried.table(column), p.channels,
               own.output_rows + part.first * p.channels, p.channels, /*add=*/column > 0);
    }
  }

  // T += Aᵀ V of the part's rows, for a tile.
  void add_to_table(int64_t b, const Part& part, int64_t column, Packed values, Own& own) const {
    const int64_t seen = columns_seen(*this, b * kTileRows + part.first + part.rows - 1) - column;
    if (seen <= 0) return;
    multiply(std::min(kTileColumns, seen), p.channels, part.rows, own.transposed + part.first, kTileRows,
             values.data + part.first * values.stride, values.stride, own.carried.table(column), p.channels,
             /*add=*/true);
  }

  Shared& shared_;
  const ElemmulSavedHead saved_;
  Rows<float> output_;
  Chunks chunks_;
};

}  // namespace

void elemmul_causal_forward(const Problem& problem, const ElemmulForward& call) {
  run_heads<CausalForward>(problem, call);
}

}  // namespace saobp::attention::cpu
