// The fused CPU kernels of ElemMul: B = A Aᵀ with its rows normalised, as two products of size L²·D
// (docs/method.md, "Refinement is a bias on the scores"), encoder and causal form, float, with padding, dropout and
// grouped key-value heads.
//   T = Aᵀ V,  s = Aᵀ 1,  z = A s,  O = (A ⊙ R) T / z           causal: T and s over the rows i ≤ j
// The problem has as many queries as keys and no strength.
#pragma once

#include <cstdint>

#include "saobp/attention/cpu/kernel.h"

namespace saobp::attention::cpu {

// What the backward pass needs to make the matrices again. Rows and columns of a head are its real ones, in order.
struct ElemmulSaved {
  float* rows;     // [3][batch, heads, length]: maximum of S (base 2), 1 / Σ 2^(S − max), z
  float* columns;  // [batch, heads, length]: s; the causal form makes it again
  float* tables;   // [batch, heads][elemmul_table_size]: Tᵀ in tiles of [channels][128];
                   // causal: (A ⊙ R) Aᵀ of each 32 rows with themselves, not scaled, [32][32], zero above
  // Not for the backward pass; null: not wanted. [2][batch, heads, length] at the queries' own positions, entropy (in
  // nats) and squared norm of A's rows, without dropout. Padded rows are not written.
  float* statistics = nullptr;
};

int64_t elemmul_table_size(bool causal, int64_t length, int64_t channels);

// The arguments of a forward pass, and of a backward pass. Key and value gradients are those of each query head; there
// is none of a strength.
struct ElemmulForward {
  const Inputs<float>& inputs;
  const View<float>& output;
  const ElemmulSaved& saved;
  int64_t length;

  template <class F>
  void each_result(F&& f) const {
    f(output, length);
  }
};
struct ElemmulBackward {
  const Inputs<float>& inputs;
  const OutputGradient<float>& upstream;
  const ElemmulSaved& saved;
  const Gradients<float, float>& gradients;
  int64_t length;

  template <class F>
  void each_result(F&& f) const {
    f(gradients.query, length);
    f(gradients.key, length);
    f(gradients.value, length);
  }
};

void elemmul_forward(const Problem& problem, const Inputs<float>& inputs, const View<float>& output,
                     const ElemmulSaved& saved);
void elemmul_backward(const Problem& problem, const Inputs<float>& inputs, const OutputGradient<float>& upstream,
                      const ElemmulSaved& saved, const Gradients<float, float>& gradients);

}  // namespace saobp::attention::cpu
