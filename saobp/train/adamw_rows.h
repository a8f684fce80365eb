// AdamW of a table of which a step touches few rows: word embeddings, whose gradient has only the rows of the tokens
// that were read.
#pragma once

#include <cstdint>

namespace saobp::train {

// One update (Loshchilov & Hutter 2019). Of a row g is the gradient divided by `gradient_divisor`:
//   p ← keep · p,  m ← m + (1 − β₁)(g − m),  v ← β₂ v + (1 − β₂) g²,  p ← p − step · m / (√v / root + ε)
struct AdamWStep {
  float keep;  // 1 − rate · weight decay
  float gradient_divisor;
  float beta2, one_minus_beta1, one_minus_beta2;
  float step;  // rate / (1 − β₁ᵗ)
  float root;  // √(1 − β₂ᵗ)
  float epsilon;
};

// parameter, exp_avg, exp_avg_sq [rows, columns]; gradient [n, columns], of which gradient_row[row] < n is that of the
// row, or −1 where it is zero. moving[row]: whether its moments are other than zero; a row that neither moves nor has a
// gradient is decayed alone, which is what the update comes to. Rows with a gradient move afterwards. Rows go over the
// threads, and their number changes no bit.
void adamw_rows(const AdamWStep& update, int64_t rows, int64_t columns, const float* gradient,
                const int64_t* gradient_row, bool* moving, float* parameter, float* exp_avg, float* exp_avg_sq);

}  // namespace saobp::train
