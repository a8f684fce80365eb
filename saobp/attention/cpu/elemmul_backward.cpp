// Fused backward pass of ElemMul, encoder form (docs/method.md, "Refinement is a bias on the scores"). For each head,
// with g = ∂L/∂O:
//   dN = g / z,  dz_j = −g_j · O_j / z_j
//   sweep 1, by blocks of 64 rows: A from S = Q Kᵀ;  dTᵀ += dNᵀ (A ⊙ R);  ds += Aᵀ dz
//   sweep 2, by blocks:            x = ∂L/∂A = R ⊙ (dN Tᵀ) + dz s + V dTᵀ + ds;  dV = A dT
//                                  dS = A ⊙ (x − E), E_j = Σ_k A x;  dQ = dS K;  dKᵀ += Qᵀ dS
// The blocks of A are kept between the sweeps as far as kKeptFloats allows, else made again.
#include <algorithm>

#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_gradient.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

class EncoderBackward : ElemmulGradient {
 public:
  struct Shared : ElemmulGradient::Shared {
    explicit Shared(const Problem& p)
        : ElemmulGradient::Shared(p),
          kept_blocks(blocks_kept(p)),
          table_sum(p, columns * p.channels),
          scratch([&](auto& place) {
            place(attention, kept_blocks * kTileRows * columns);
            place(table_gradient, columns * p.channels);
            place(table_gradient_rows, columns * p.channels);
            place(chunk_sums, kMaxChunks * columns);
            place(column_sum, columns);
            place(sum_gradient, columns);
          }) {}

    int64_t kept_blocks;
    ChunkSum table_sum;                           // dTᵀ
    float* attention;                             // A of the first `kept_blocks`
    float *table_gradient, *table_gradient_rows;  // dTᵀ in tiles; dT [L][channels]
    double* chunk_sums;                           // [chunks][columns] of ds
    float *column_sum, *sum_gradient;             // s, ds
    Scratch scratch;
  };

  struct Own : ElemmulGradient::Own {
    explicit Own(const Problem& p)
        : ElemmulGradient::Own(p), scratch([&](auto& place) {
            place(attention, kTileRows * columns);
            place(spare, kTileRows * columns);
          }) {}

    float *attention, *spare;  // A where it is not kept; A ⊙ R, later x
    Scratch scratch;
  };

  EncoderBackward(const Head& head, const ElemmulBackward& call, Shared& shared)
      : ElemmulGradient(head, call, shared), shared_(shared) {
    std::copy_n(saved_.columns, real.keys.size(), shared.column_sum);
    std::fill(shared.column_sum + real.keys.size(), shared.column_sum + real.key_columns, 0.0f);
  }

  void run(Own* own) {
    begin(/*alone=*/own != nullptr);
    shared_.table_sum.begin(shared_.table_gradient, round_up(real.key_columns, kTileColumns) * p.channels, chunks_,
                            own);
    for_chunks(p, chunks_.count(), own, [&](int64_t chunk, Own& mine) { first_sweep(chunk, mine); });
    shared_.table_sum.combine();
    untile(shared_.table_gradient, real.key_columns, p.channels, shared_.table_gradient_rows);
    sum_chunks(shared_.chunk_sums, chunks_, shared_.columns, real.key_columns);
    std::copy(shared_.chunk_sums, shared_.chunk_sums + real.key_columns, shared_.sum_gradient);
    for_chunks(p, chunks_.count(), own, [&](int64_t chunk, Own& mine) { second_sweep(chunk, mine); });
    finish(/*backwards=*/false);
  }

 private:
  bool kept(int64_t b) const { return b < shared_.kept_blocks; }
  Block attention_block(int64_t b, Own& own) const {
    return block(b, kept(b) ? shared_.attention + b * kTileRows * shared_.columns : own.attention);
  }

  void first_sweep(int64_t chunk, Own& own) const {
    double* sums = shared_.chunk_sums + chunk * shared_.columns;
    std::fill(sums, sums + real.key_columns, 0.0);
    float* table = shared_.table_sum.begin_chunk(chunk, own.part);
    for (int64_t b = chunks_.begin(chunk); b < chunks_.end(chunk); ++b) {
      const Block attention = attention_block(b, own);
      make_attention(b, attention, own);
      const float* numerator = transposed(numerator_gradient(b, own), b, own);
      add_columns(attention, own.dz, sums);
      accumulate_transposed(numerator, dropped(b, attention, own), attention.rows, p.channels, table, /*add=*/true);
    }
    shared_.table_sum.end_chunk(table);
  }

  // A ⊙ R, up to the factor 1/(1 − p), which the gradient of the numerator brings.
  Block dropped(int64_t b, const Block& attention, Own& own) const {
    if (!constants.dropout) return attention;
    std::copy_n(attention.data, round_up(attention.columns, kTileColumns) * kTileRows, own.spare);
    const Block copy = block(b, own.spare);
    drop_block(b, copy);
    return copy;
  }

  void second_sweep(int64_t chunk, Own& own) const {
    float* key_part = shared_.key_sum.begin_chunk(chunk, own.part);
    // Backwards: the last blocks of the first sweep may still be in the cache.
    for (int64_t b = chunks_.end(chunk) - 1; b >= chunks_.begin(chunk); --b) {
      const Block attention = attention_block(b, own), x = block(b, own.spare);
      const int64_t padded = real.product_rows(b);
      if (!kept(b)) make_attention(b, attention, own);
      multiply_into_block(x, padded, numerator_gradient(b, own), p.channels, saved_.table);
      drop_block(b, x);
      add_into_block(x, padded, value_rows(b, own.value_rows), p.channels, shared_.table_gradient);
      multiply_block(attention, padded, {shared_.table_gradient_rows, p.channels}, p.channels, own.spare_rows);
      write_value_gradient(b, own);
      encoder_score_gradient(attention, x, own.dz, shared_.column_sum, shared_.sum_gradient);
      add_score_gradient(b, x, key_part, /*first=*/true, own);
    }
    shared_.key_sum.end_chunk(key_part);
  }

  Shared& shared_;
};

}  // namespace

void elemmul_backward(const Problem& problem, const Inputs<float>& inputs, const OutputGradient<float>& upstream,
                      const ElemmulSaved& saved, const Gradients<float, float>& gradients) {
  const ElemmulBackward call{inputs, upstream, saved, gradients, problem.queries};
  if (problem.causal) return elemmul_causal_backward(problem, call);
  run_heads<EncoderBackward>(problem, call);
}

}  // namespace saobp::attention::cpu
