// What the backward passes of ElemMul, encoder and causal, share for one head: the gradients of numerator and
// normaliser, A made again, and the way from dS to dQ and dK.
#pragma once

#include "saobp/attention/cpu/elemmul_head.h"

namespace saobp::attention::cpu {

class ElemmulGradient : protected ElemmulHead {
 public:
  // Memory of a head, for all threads that work on it.
  struct Shared {
    explicit Shared(const Problem& p);
    int64_t columns;
    ChunkSum key_sum;                              // dKᵀ
    float *keys_transposed, *keys, *key_gradient;  // Kᵀ in tiles, scaled for scores to base 2; K; dKᵀ in tiles
    Scratch scratch;
  };

  // Memory of a thread.
  struct Own {
    explicit Own(const Problem& p);
    int64_t columns;
    float* part;                                                   // a chunk's part of a matrix like dKᵀ
    float *query_rows, *value_rows, *numerator_rows, *spare_rows;  // [64][channels]
    float* transposed_rows;                                        // [channels][64]
    float* dz;                                                     // of the rows of the block
    Scratch scratch;
  };

 protected:
  ElemmulGradient(const Head& head, const ElemmulBackward& call, Shared& shared);

  // Before and after the sweeps. `backwards`: dK's chunks go from the last to the first.
  void begin(bool alone);
  void finish(bool backwards);

  // S → A of the block, or of one of its tiles, which begins at `column`.
  void make_attention(int64_t b, const Block& block, Own& own) const;
  void make_tile(int64_t b, const Block& tile, int64_t column, Packed queries) const {
    ElemmulHead::make_tile(b, tile, column, queries, shared_.keys_transposed, saved_);
  }

  // dN = g / z, times 1/(1 − p), in rows of the block and zero rows up to what the products take; and dz.
  Packed numerator_gradient(int64_t b, Own& own) const;

  // [channels][64]; overwritten by the next call.
  const float* transposed(const Packed& rows, int64_t b, Own& own) const;

  // dV of the block from spare_rows.
  void write_value_gradient(int64_t b, const Own& own) const;

  // dS of the block → dQ, and dKᵀ into the chunk's part. `first`: of the two or one that the block's rows get.
  void add_score_gradient(int64_t b, const Block& score_gradient, float* key_part, bool first, Own& own) const;

  const ElemmulSavedHead saved_;
  Chunks chunks_;

 private:
  Shared& shared_;
  Rows<const float> output_, output_gradient_;
  Rows<float> query_gradient_, key_gradient_, value_gradient_;
  Packed keys_{nullptr, 0};
};

}  // namespace saobp::attention::cpu
