// The readable reference: refined attention in plain ATen, for every variant, dtype and device, differentiable by
// autograd any number of times. It makes the L×L matrices (and causal elemmul forms A Aᵀ, L·L·L operations). It is the
// oracle of the fused kernels' tests and the path for whatever they do not cover. Arguments are expected to have passed
// check_arguments.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>
#include <utility>

#include "saobp/attention/refined_attention.h"

namespace saobp::attention {

// factors [B, H, L_q, L_k]: what dropout multiplies the weights with, in the place of what `options` say.
at::Tensor reference_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                               const AttentionOptions& options, const at::Tensor& factors = {});

// The output and the statistics of A and B: [4, B, H, L_q] in the working type (elemmul: [2, B, H, L_q], A's alone), in
// the order of AttentionWithStatistics.
std::tuple<at::Tensor, at::Tensor> reference_with_statistics(const at::Tensor& query, const at::Tensor& key,
                                                             const at::Tensor& value, const AttentionOptions& options);

std::pair<at::Tensor, at::Tensor> reference_matrices(const at::Tensor& query, const at::Tensor& key,
                                                     const AttentionOptions& options);

// The messages m_ik = log(1 − tA_ik), [B, H, L_q, L_k], of the attention A; where A = 0, log 1 = 0. `share`: what t is
// multiplied by, of a shape that broadcasts; undefined: nothing.
at::Tensor make_messages(const at::Tensor& attention, const AttentionOptions& options, const at::Tensor& share = {});

// min(1, strength_length / senders), of the numbers' shape, in the type of `like`.
at::Tensor strength_shares(const at::Tensor& senders, const AttentionOptions& options, const at::Tensor& like);

// The factor that dropout puts on each refined weight, 0 or 1/(1 − p): [batch, heads, L_q, L_k].
at::Tensor dropout_factors(int64_t batch, int64_t heads, int64_t queries, int64_t keys, double probability,
                           int64_t seed, at::TensorOptions tensor_options);

}  // namespace saobp::attention
