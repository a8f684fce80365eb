// The fused CPU kernels of ElemMul behind tensors: which calls they cover, and the pair of internal operators
//   saobp::_elemmul_attention_fused           → (output, saved rows, saved columns, saved tables, statistics)
//   saobp::_elemmul_attention_fused_backward  → (query, key, value gradients)
// with their autograd function. Second derivatives go through the reference.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "saobp/attention/refined_attention.h"

namespace saobp::attention {

// ElemMul, encoder or causal, on the CPU, float or the half types (which are computed in float).
bool elemmul_fused_covers(const at::Tensor& query, const AttentionOptions& options);

// query [B, H, L, D], key and value [B, H_k, L, D] → [B, H, L, D] in the type of query. Arguments are expected to have
// passed check_arguments.
at::Tensor fused_elemmul(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionOptions& options);

// The same with the statistics of A, [2, B, H, L] in float: entropy and squared norm. They carry no gradient.
std::tuple<at::Tensor, at::Tensor> fused_elemmul_with_statistics(const at::Tensor& query, const at::Tensor& key,
                                                                 const at::Tensor& value,
                                                                 const AttentionOptions& options);

}  // namespace saobp::attention
