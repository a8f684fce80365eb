// Argument checks of the operator: each failure names what was found and what was expected.
#pragma once

#include <ATen/core/Tensor.h>

#include "saobp/attention/refined_attention.h"

namespace saobp::attention {

// Throws c10::Error unless query and key agree with each other and with the options.
void check_arguments(const at::Tensor& query, const at::Tensor& key, const AttentionOptions& options);

// The same for all three tensors.
void check_arguments(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const AttentionOptions& options);

// The queries that are real, [batch, L_q] bool, or nothing when all are.
std::optional<at::Tensor> effective_query_mask(const at::Tensor& query, const at::Tensor& key,
                                               const AttentionOptions& options);

// An uninitialised output for the query: [B, H, L_q, D], in memory as [B, L_q, H, D] when the query is.
at::Tensor empty_output(const at::Tensor& query);

}  // namespace saobp::attention
