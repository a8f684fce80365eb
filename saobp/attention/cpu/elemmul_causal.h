// The causal form of the ElemMul kernels, one head at a time; scratch memory is reused from head to head.
#pragma once

#include "saobp/attention/cpu/elemmul_gradient.h"
#include "saobp/attention/cpu/elemmul_head.h"

namespace saobp::attention::cpu {

class ElemmulCausalForward {
 public:
  explicit ElemmulCausalForward(const ElemmulProblem& problem);
  void run(const ElemmulHead& head, const ElemmulSaved& saved, const Rows<float>& output);

 private:
  void run_block(const ElemmulHead& head, int64_t b, const ElemmulSaved& saved, const Rows<float>& output);
  void multiply_with_itself(const ElemmulHead& head, int64_t b, const Block& block, float* product);

  int64_t columns_;
  Scratch scratch_;
  float *keys_, *table_;                  // Kᵀ in tiles; T of the rows so far [L][channels]
  float *block_, *transposed_;            // A, A ⊙ R of a block; its Aᵀ [L][64]
  float *rows_, *values_, *output_rows_;  // [64][channels]
  double* column_sum_;                    // s of the blocks so far
  float *base_, *running_;                // the same in float; s of the block's rows so far
};

class ElemmulCausalBackward {
 public:
  explicit ElemmulCausalBackward(const ElemmulProblem& problem);
  void run(ElemmulGradientHead& head, const ElemmulSaved& saved);

 private:
  Block block_of(float* data, const ElemmulHead& head, int64_t b) const;
  void left_block(ElemmulGradientHead& gradient, int64_t b);
  void right_block(ElemmulGradientHead& gradient, int64_t b, const float* product);
  void make_value_gradient(ElemmulGradientHead& gradient, int64_t b, const Block& attention, const float* numerator,
                           const float* product);
  void clear_sums(const ElemmulHead& head);
  void start_block(const Block& block);
  void end_block(const Block& block);

  int64_t columns_, kept_blocks_;
  Scratch scratch_;
  float *attention_, *x_;          // A and ∂L/∂A of the blocks
  float *left_, *transposed_;      // A ⊙ R of a block; its Aᵀ [L][64]
  float* table_;                   // Tᵀ of the rows before, then Uᵀ of the rows after; in tiles of [channels][128]
  float *pairs_, *value_columns_;  // [64][64]; dVᵀ [channels][64]
  double* column_sum_;             // s of the blocks before, then u of the blocks after
  float *base_, *running_;         // the same in float; that of the rows inside the block
};

// A [64][64] product of a block's rows with each other: zero on one side of the diagonal, and past the last row.
void keep_lower_triangle(float* product, int64_t rows);
void keep_upper_triangle(float* product, int64_t rows);

}  // namespace saobp::attention::cpu
