// The oracle of the attention tests: the paper's Algorithm 1 [SAOBP] and the other variants as loops over doubles. It
// shares no code, and no closed form, with the library.
#pragma once

#include <ATen/core/Tensor.h>

#include "saobp/attention/refined_attention.h"

namespace saobp::attention::testing {

struct OracleResult {
  at::Tensor attention;  // A, double [B, H, L_q, L_k]
  at::Tensor refined;    // B
  at::Tensor output;     // O = (B ⊙ R) V
};

// factors: what dropout multiplies each weight by, [B, H, L_q, L_k]; undefined for none.
OracleResult oracle(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    const AttentionOptions& options, const at::Tensor& factors = {});

}  // namespace saobp::attention::testing
