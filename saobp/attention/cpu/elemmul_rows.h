// Element-wise work of the ElemMul kernels on one block of rows (layout.h), vectorised. Column arrays hold a multiple
// of 16 numbers. `visible` gives for each row how many columns it may look at, at least one; those after them become 0.
#pragma once

#include <cstdint>

#include "saobp/attention/cpu/forward_rows.h"
#include "saobp/attention/cpu/layout.h"

namespace saobp::attention::cpu {

// scores → A = 2^(score − maximum) · inverse sum, both known; the block begins with the head's key `column`. visible:
// null where every row sees all real columns.
void attention_again(const Block& scores, int64_t column, int64_t real_columns, const int64_t* visible,
                     const float* row_max, const float* inverse_sum);

// sum[k] += Σ_rows weight_j x_jk (row_weights null: 1); 64 rows are added up in float, from the first or from the last
// one on, the blocks in double.
void add_columns(const Block& x, const float* row_weights, double* sum, bool backwards = false);

// Causal forward, row after row: scores → A; running += A_j; z_j = Σ_k A_jk (base_k + running_k). Statistics where they
// are asked for.
void causal_elemmul_rows(const Block& scores, const int64_t* visible, const float* base, float* running, float* row_max,
                         float* inverse_sum, float* z, RowStatistics* statistics);

// The softmax's gradient: x = ∂L/∂A → dS = A ⊙ (x − E), E = Σ_k A x.
// First, encoder: x_jk += dz_j s_k + ds_k.
void encoder_score_gradient(const Block& attention, const Block& x, const float* dz, const float* s, const float* ds);
void softmax_gradient(const Block& attention, const Block& x);

// Causal, left factor, from the first row on: running += A_j; x_jk += dz_j (base_k + running_k).
void causal_left_gradient(const Block& attention, const Block& x, const float* dz, const float* base, float* running);

// Causal, right factor, from the last row on: running += dz_j A_j; x_jk += base_k + running_k.
void causal_right_gradient(const Block& attention, const Block& x, const float* dz, const float* base, float* running);

}  // namespace saobp::attention::cpu
