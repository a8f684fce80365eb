// Element-wise work of the backward pass on one block of rows (layout.h), vectorised. docs/method.md, "Gradients".
#pragma once

#include <cstdint>

#include "saobp/attention/cpu/forward_rows.h"
#include "saobp/attention/cpu/layout.h"

namespace saobp::attention::cpu {

// What the forward pass kept of the rows of a block and of the columns, and D.
struct SavedRows {
  const float* row_max;            // of S, base 2
  const float* inverse_sum;        // 1 / Σ 2^(S − max)
  const float* refined_logsumexp;  // of the refined logits, base 2, with column_bias as below
  const float* fold_ratio;         // B = A w / u · fold_ratio; 0 where the row needs the logarithmic form
  const float* delta;              // g_i · O_i, which is D_i but for rounding
  const float* column_bias;        // c − max c, base 2
  const float* column_weights;     // w = 2^column_bias
};

struct BackwardBlock {
  Block scores;    // S → A
  Block gradient;  // g Vᵀ → dZ = B ⊙ (dB − D), for strength 0 this is dS already
  Block weights;   // → B ⊙ R
  int64_t real_columns;
  const int64_t* visible = nullptr;  // causal: what each row sees of them
};

// First sweep; adds the columns of dZ to column_gradient. `dropout` may be null; `kept_scale` is 1/(1 − p).
void refined_gradient(const BackwardBlock& block, const SavedRows& saved, const Messages& messages,
                      const DropoutBlock* dropout, float kept_scale, double* column_gradient);

// The same for strength 0: B = A, and nothing is added up.
void plain_gradient(const BackwardBlock& block, const SavedRows& saved, const DropoutBlock* dropout, float kept_scale);

// Second sweep: dZ → dS = dZ + A ⊙ (dA − E), with dA = −t/u ⊙ dm and dm = dc − dZ (own message kept: dc). Returns
// Σ dm ⊙ A/u, which is −∂L/∂t.
double score_gradient(const Block& attention, const Block& refined_gradient, const Messages& messages, float t,
                      const float* column_gradient);

}  // namespace saobp::attention::cpu
