// The fused operators' signatures (fused.h), for the autograd function that calls them.
#pragma once

#include <tuple>

#include "saobp/attention/arguments.h"

namespace saobp::attention {

// (output, saved rows, saved columns, saved tables, statistics); see SavedTensors.
using FusedForward = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
// The gradients of query, key, value and of the strengths (without elements if there are none).
using FusedBackward = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

FusedForward fused_forward(const AttentionOptions& options, const at::Tensor& query, const at::Tensor& key,
                           const at::Tensor& value, bool learn_strengths, bool statistics);

FusedBackward fused_backward(const AttentionOptions& options, const at::Tensor& output_gradient,
                             const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const at::Tensor& output, const at::Tensor& rows, const at::Tensor& columns,
                             const at::Tensor& tables, bool learn_strengths);

}  // namespace saobp::attention
