// Fused forward pass of ElemMul, encoder form. For each head:
//   sweep 1, by blocks of 64 rows: S = Q Kᵀ; e = 2^(S − max), n = 1 / Σ e;  s += eᵀ n;  Tᵀ += (n V)ᵀ e
//   sweep 2, by blocks:            z = n (e s);  O = n (e ⊙ R) T / z
// The blocks of e are kept between the sweeps as far as kKeptFloats allows, else made again.
#include <algorithm>

#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_head.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

class EncoderForward : ElemmulHead {
 public:
  struct Shared {
    explicit Shared(const Problem& p)
        : columns(round_up(p.keys, kTileColumns)),
          kept_blocks(blocks_kept(p)),
          table_sum(p, columns * p.channels),
          scratch([&](auto& place) {
            place(keys, columns * p.channels);
            place(table, columns * p.channels);
            place(blocks, kept_blocks * kTileRows * columns);
            place(chunk_sums, kMaxChunks * columns);
            place(column_sum, columns);
          }) {}

    int64_t columns, kept_blocks;
    ChunkSum table_sum;   // Tᵀ in tiles
    float *keys, *table;  // Kᵀ in tiles; T [L][channels]
    float* blocks;        // e of the first `kept_blocks`
    double* chunk_sums;   // [chunks][columns] of s
    float* column_sum;    // s
    Scratch scratch;
  };

  struct Own {
    explicit Own(const Problem& p)
        : columns(round_up(p.keys, kTileColumns)), scratch([&](auto& place) {
            place(block, kTileRows * columns);
            place(table_part, columns * p.channels);
            place(rows, kTileRows * p.channels);
            place(transposed_rows, kTileRows * p.channels);
            place(output_rows, kTileRows * p.channels);
          }) {}

    int64_t columns;
    float *block, *table_part;
    float *rows, *transposed_rows, *output_rows;  // [64][channels], [channels][64], [64][channels]
    Scratch scratch;
  };

  EncoderForward(const Head& head, const ElemmulForward& call, Shared& shared)
      : ElemmulHead(head, call.inputs),
        shared_(shared),
        saved_(call.saved, head),
        output_(query_rows(call.output)),
        chunks_(real) {}

  void run(Own* own) {
    pack_columns_transposed(key, constants.score_scale, shared_.keys);
    shared_.table_sum.begin(saved_.table, round_up(real.key_columns, kTileColumns) * p.channels, chunks_, own);
    for_chunks(p, chunks_.count(), own, [&](int64_t chunk, Own& mine) { collect(chunk, mine); });
    sum_up();
    for_chunks(p, chunks_.count(), own, [&](int64_t chunk, Own& mine) {
      // Backwards: the last blocks of sweep 1 may still be in the cache.
      for (int64_t b = chunks_.end(chunk) - 1; b >= chunks_.begin(chunk); --b) write_block(b, mine);
    });
  }

 private:
  bool kept(int64_t b) const { return b < shared_.kept_blocks; }
  Block block_of(int64_t b, Own& own) const {
    return block(b, kept(b) ? shared_.blocks + b * kTileRows * shared_.columns : own.block);
  }

  void make_exponentials(int64_t b, const Block& block, Own& own, RowStatistics* statistics) const {
    const int64_t row = b * kTileRows;
    multiply_into_block(block, real.product_rows(b), pack_block(query, b, own.rows), p.channels, shared_.keys);
    exponentials(block, real.keys.size(), saved_.row_max + row, saved_.inverse_sum + row, statistics);
  }

  // Sweep 1.
  void collect(int64_t chunk, Own& own) const {
    double* sums = shared_.chunk_sums + chunk * shared_.columns;
    std::fill(sums, sums + real.key_columns, 0.0);
    float* table = shared_.table_sum.begin_chunk(chunk, own.table_part);
    for (int64_t b = chunks_.begin(chunk); b < chunks_.end(chunk); ++b) {
      const Block block = block_of(b, own);
      RowStatistics statistics[kTileRows];
      make_exponentials(b, block, own, saved_.wanted(statistics));
      saved_.store_statistics(*this, b, saved_.wanted(statistics));
      const float* inverse_sum = saved_.inverse_sum + b * kTileRows;
      add_columns(block, inverse_sum, sums);
      transpose_rows(value_rows(b, own.rows), block.rows, p.channels, inverse_sum, own.transposed_rows);
      accumulate_transposed(own.transposed_rows, block, block.rows, p.channels, table, /*add=*/true);
    }
    shared_.table_sum.end_chunk(table);
  }

  void sum_up() const {
    shared_.table_sum.combine();
    untile(saved_.table, real.key_columns, p.channels, shared_.table);
    sum_chunks(shared_.chunk_sums, chunks_, shared_.columns, real.key_columns);
    std::copy(shared_.chunk_sums, shared_.chunk_sums + real.key_columns, shared_.column_sum);
    std::copy(shared_.column_sum, shared_.column_sum + real.keys.size(), saved_.columns);
  }

  // Sweep 2.
  void write_block(int64_t b, Own& own) const {
    const Block block = block_of(b, own);
    if (!kept(b)) make_exponentials(b, block, own, /*statistics=*/nullptr);
    float total[kTileRows], factors[kTileRows];
    weighted_totals(block, shared_.column_sum, total);
    drop_block(b, block);
    multiply_block(block, real.product_rows(b), {shared_.table, p.channels}, p.channels, own.output_rows);
    for (int64_t i = 0; i < block.rows; ++i) {
      saved_.z[b * kTileRows + i] = total[i] * saved_.inverse_sum[b * kTileRows + i];
      factors[i] = constants.kept_scale / total[i];
    }
    store_rows(own.output_rows, block_queries(b), block.rows, p.channels, factors, output_);
  }

  Shared& shared_;
  const ElemmulSavedHead saved_;
  Rows<float> output_;
  Chunks chunks_;
};

}  // namespace

void elemmul_forward(const Problem& problem, const Inputs<float>& inputs, const View<float>& output,
                     const ElemmulSaved& saved) {
  const ElemmulForward call{inputs, output, saved, problem.queries};
  if (problem.causal) return elemmul_causal_forward(problem, call);
  run_heads<EncoderForward>(problem, call);
}

}  // namespace saobp::attention::cpu
