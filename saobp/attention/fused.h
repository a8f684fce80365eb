// The fused CPU kernels behind tensors: which calls they cover, and the pair of internal operators
//   saobp::_fused           → (output, saved rows, saved columns, saved tables, statistics)
//   saobp::_fused_backward  → (query, key, value, strengths gradients)
// that the autograd function of saobp::refined_attention calls.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "saobp/attention/refined_attention.h"

namespace saobp::attention {

// Every message in one step, encoder or causal form, grouped heads, on the CPU; float and the half types.
bool fused_covers(const at::Tensor& query, const AttentionOptions& options);

// "cpu/avx2", …
const char* fused_kernel_name();

// The fused forward pass in one call, differentiable in query, key, value and options.strengths; the output is of the
// query's type. Arguments are expected to have passed check_arguments.
at::Tensor fused_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           const AttentionOptions& options);

// The same with the statistics of A and B, [4, B, H, L_q] in float: their entropies and squared norms in the order of
// AttentionWithStatistics (of elemmul [2, B, H, L_q], those of A). They carry no gradient.
std::tuple<at::Tensor, at::Tensor> fused_attention_with_statistics(const at::Tensor& query, const at::Tensor& key,
                                                                   const at::Tensor& value,
                                                                   const AttentionOptions& options);

// What this thread's calls took, for last_kernel() and last_backward_kernel().
struct LastKernels {
  const char* forward = "";
  const char* backward = "";
};
LastKernels& last_kernels();

}  // namespace saobp::attention
