// Refined self-attention [SAOBP, arXiv 2509.07324]: softmax attention followed by one step of belief propagation.
//
// Notation, per head: scores S = Q Kᵀ / √D, attention A = softmax(S) by rows, refined attention B, output O = B V.
//   strength λ > 0 (High)   repulsive: keys that many queries already look at are damped
//   strength λ < 0 (Low)    the contrast case: they are favoured
//   strength 0 (Original)   B = A
//   elemmul                 B = A Aᵀ with its rows normalised
// The strength is a number for all heads, or a tensor with one for each head, which may learn.
// With m_ik = log(1 − (1 − e^{−λ}) A_ik) and c_k = Σ_i m_ik over the queries that may send, B = softmax(S_jk + c_k −
// m_jk); docs/method.md derives this from the paper's Algorithm 1.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "saobp/attention/variant.h"

namespace saobp::attention {

struct AttentionOptions {
  bool elemmul = false;  // B = A Aᵀ with normalised rows; strength must then be 0
  double strength = 0;   // signed λ: 0 Original, > 0 High, < 0 Low; |λ| ≤ 20
  // [heads] or [1], float or double, signed λ of each head, differentiable; `strength` must then be 0.
  std::optional<at::Tensor> strengths;
  // L₀ > 0: a query that more than L₀ queries send to takes their messages weaker, so that a row's length does not
  // change what all of them do to a key: t becomes t · min(1, L₀ / senders), where the senders are the real queries; in
  // the causal form it is the sum of the log messages that is multiplied, and row j's senders are the rows before it.
  // 0: off.
  int64_t strength_length = 0;
  bool exclude_self = true;  // Algorithm 1: a query does not receive its own message (false: Eq. 11)
  bool causal = false;       // decoder form: query j sees keys k ≤ j and messages of queries i < j
  // The paper's Table 7 read literally: query j sees keys k ≤ j, but messages of all queries, later ones too, so that
  // a language model sees the future. For studying that only; needs causal = false. Composite.
  bool leaky_causal = false;
  int64_t steps = 1;  // of belief propagation: B⁽⁰⁾ = A, B⁽ᵗ⁺¹⁾ = softmax(S + c(B⁽ᵗ⁾) − m(B⁽ᵗ⁾)); from 2 on composite
  std::optional<at::Tensor> key_mask;    // [batch, L_k] bool, true = real
  std::optional<at::Tensor> query_mask;  // [batch, L_q] bool; defaults to key_mask when L_q = L_k, else to all real
  double dropout = 0;                    // probability in [0, 1), acts on the refined weights
  int64_t seed = 0;                      // of the counter-based dropout mask: same seed, same mask
};

// Largest |strength| that is accepted: beyond it 1 − tA leaves the range of float.
inline constexpr double kMaxStrength = 20;

// The options of a named variant; strength ≥ 0 is the paper's λ (low turns its sign; original and elemmul ignore it).
AttentionOptions from_variant(Variant variant, double strength);

// query [B, H, L_q, D], key and value [B, H_k, L_k, D] → [B, H, L_q, D], differentiable in all three and in
// options.strengths. H_k divides H (grouped heads): query head h attends to key head h / (H / H_k).
// Calls the operator saobp::refined_attention. Strides are free; with a unit last stride nothing is copied. The output
// lies in memory as [B, L_q, H, D] when the query does, so that output.transpose(1, 2).reshape(...) is a view.
// Padded queries yield 0 and take gradient 0; the contents of padded positions change nothing, bit for bit.
// Second derivatives are taken through the composite path.
// Throws c10::Error, naming both sizes, when the arguments disagree.
at::Tensor refined_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const AttentionOptions& options);

// What refined_attention_with_statistics returns. Statistics are of A and of B without dropout; natural logarithms;
// padded rows are 0; float for the half types, else of the query's type; they carry no gradient. Of elemmul there
// are those of A alone, on every path: its B would need the L×L×L product, and entropy_b and squared_norm_b stay
// undefined.
struct AttentionWithStatistics {
  at::Tensor output;          // [B, H, L_q, D], as refined_attention gives it
  at::Tensor entropy_a;       // [B, H, L_q]: −Σ_k A_jk log A_jk, in nats
  at::Tensor squared_norm_a;  // [B, H, L_q]: Σ_k A_jk²
  at::Tensor entropy_b, squared_norm_b;
};

// Statistics from the same sweep that makes the output, never an L×L matrix on the fused path. Calls the operator
// saobp::refined_attention_statistics, which returns them as one tensor [4, B, H, L_q] in the order above (elemmul: [2,
// B, H, L_q]).
AttentionWithStatistics refined_attention_with_statistics(const at::Tensor& query, const at::Tensor& key,
                                                          const at::Tensor& value, const AttentionOptions& options);

// For diagnostics: A and B, each [B, H, L_q, L_k] (B of elemmul: [B, H, L_q, L_q]), padded rows and columns zero,
// without dropout.
std::pair<at::Tensor, at::Tensor> attention_matrices(const at::Tensor& query, const at::Tensor& key,
                                                     const AttentionOptions& options);

// The path that such a call takes: "cpu/avx512", "cpu/avx2", "cpu/baseline" or "composite".
std::string kernel_for(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                       const AttentionOptions& options);

// The path that this thread's last forward call took, and the one of the backward pass that followed it: empty until a
// fused backward pass has run (the composite path is differentiated by autograd and does not report).
std::string last_kernel();
std::string last_backward_kernel();

}  // namespace saobp::attention
