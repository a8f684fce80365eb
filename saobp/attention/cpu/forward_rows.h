// Element-wise work of the forward pass on one block of rows (layout.h), vectorised.
#pragma once

#include <cstdint>

#include "saobp/attention/cpu/layout.h"

namespace saobp::attention::cpu {

// How dropout treats a block: the keys of its rows (dropout.h) and the original numbers of its columns.
struct DropoutBlock {
  const uint64_t* row_keys;
  const uint32_t* columns;
  uint32_t threshold;
};

// Of one row of A or of B, without dropout.
struct RowStatistics {
  float entropy;  // nats
  float squared_norm;
};

// scores → e = 2^(score − row maximum), with 0 from `real_columns` on. Fills row_max and inverse_sum, 1 / Σ e; where
// they are asked for also the rows' statistics.
void exponentials(const Block& scores, int64_t real_columns, float* row_max, float* inverse_sum,
                  RowStatistics* statistics = nullptr);

// The same with 0 from visible[i] ≥ 1 on in row i.
void exponentials(const Block& scores, const int64_t* visible, float* row_max, float* inverse_sum,
                  RowStatistics* statistics = nullptr);

// weights[k] = 2^exponents[k]; count is a multiple of 16.
void powers(const float* exponents, int64_t count, float* weights);

struct Messages {
  float decay;        // e^{−λ}
  int64_t fold;       // so many messages are multiplied before one logarithm is taken
  bool exclude_self;  // divide each element by its own message
};

// With A = e · inverse_sum and u = 1 − tA: adds log2 Π_rows u to column_sum, and e → e / u if the own message is
// excluded.
void fold_messages(const Block& e, const float* inverse_sum, const Messages& messages, double* column_sum);

// row_total[i] = Σ_k p_ik w_k; where they are asked for also the statistics of p_ik w_k / total.
void weighted_totals(const Block& p, const float* column_weights, float* row_total,
                     RowStatistics* statistics = nullptr);

// Zeroes what dropout drops.
void drop(const Block& weights, const DropoutBlock& dropout);

// The form that cannot underflow: scores → B, normalised, from the logarithms
//   B_ik = 2^(S_ik + bias_k − log2 u_ik − n_i), and n_i → refined_logsumexp[i].
void refine_by_logarithms(const Block& scores, int64_t real_columns, const float* row_max, const float* inverse_sum,
                          const float* column_bias, const Messages& messages, float* refined_logsumexp,
                          RowStatistics* statistics = nullptr);

}  // namespace saobp::attention::cpu
