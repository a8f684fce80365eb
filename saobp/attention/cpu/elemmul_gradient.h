// What the backward passes of ElemMul, encoder and causal, share for one head: the gradients of numerator and
// normaliser, A made again, and the way from dS to dQ and dK.
#pragma once

#include "saobp/attention/cpu/elemmul_head.h"

namespace saobp::attention::cpu {

struct ElemmulGradientWorkspace {
  explicit ElemmulGradientWorkspace(const ElemmulProblem& problem);
  Scratch scratch;
  float *keys_transposed, *keys, *key_gradient;  // Kᵀ in tiles, scaled for scores to base 2; K; dKᵀ in tiles
  float *query_rows, *value_rows, *numerator_rows, *transposed_rows, *spare_rows;  // [64][channels]
  float* dz;                                                                       // of each row
};

class ElemmulGradientHead {
 public:
  // Key and value gradients of a group of heads go to the same place: the first one writes, the others add.
  ElemmulGradientHead(const ElemmulHead& head, ElemmulGradientWorkspace& work, const ElemmulSaved& saved,
                      Rows<const float> output, Rows<const float> output_gradient, Rows<float> query_gradient,
                      Rows<float> value_gradient, bool first_of_group);

  // S of the block → A.
  void make_attention(int64_t b, const Block& block);

  // A ⊙ R, up to the factor 1/(1 − p), which numerator_gradient brings: A itself, or a copy in `buffer`.
  Block dropped(int64_t b, const Block& attention, float* buffer) const;

  // dN = g / z, times 1/(1 − p), and V: rows of the block, zero rows up to what the products take.
  Packed numerator_gradient(int64_t b);
  Packed values(int64_t b);
  const float* dz(int64_t b) const { return work_.dz + b * kTileRows; }

  // [channels][64]; overwritten by the next call.
  const float* transposed(const Packed& rows, int64_t b);

  // dV of the block from spare_rows.
  float* spare_rows() { return work_.spare_rows; }
  void write_value_gradient(int64_t b);

  // dS of the block → dQ, dKᵀ. `first`: of the two or one that the block's rows get.
  void add_score_gradient(int64_t b, const Block& score_gradient, bool first);

  const ElemmulHead& head;

 private:
  ElemmulGradientWorkspace& work_;
  const float *row_max_, *inverse_sum_, *z_;
  Rows<const float> output_gradient_;
  Rows<float> query_gradient_, value_gradient_;
  Packed keys_;
  bool add_values_;
};

}  // namespace saobp::attention::cpu
