// What the two families of fused operators, the signed strength's and ElemMul's, share on their tensor side.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <type_traits>
#include <vector>

#include "saobp/attention/cpu/kernel.h"
#include "saobp/attention/refined_attention.h"

namespace saobp::attention {

using OptionalTensor = std::optional<at::Tensor>;

inline OptionalTensor optional(const at::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

// Where and in which form there are fused kernels at all: one step of no leaky form, on the CPU, not in float64.
inline bool fused_kernels_run(const at::Tensor& query, const AttentionOptions& options) {
  const auto type = query.scalar_type();
  return query.device().is_cpu() && !options.leaky_causal && options.steps == 1 &&
         (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf);
}

// The kernels take any strides but the last, which is 1.
inline at::Tensor unit_last_stride(const at::Tensor& tensor) {
  return tensor.stride(3) == 1 || tensor.size(3) == 1 ? tensor : tensor.contiguous();
}

// To read (const T) or to write.
template <class T>
cpu::View<T> view_of(const at::Tensor& tensor) {
  T* data;
  if constexpr (std::is_const_v<T>) {
    data = tensor.const_data_ptr<std::remove_const_t<T>>();
  } else {
    data = tensor.mutable_data_ptr<T>();
  }
  return {data, tensor.stride(0), tensor.stride(1), tensor.stride(2)};
}

template <class Signature>
auto find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").template typed<Signature>();
}

// Each query head's gradients of a key head [B, H, L, D] → those of the key heads, added up over each group in order,
// in the layout of `key`; the first of a group is overwritten.
at::Tensor sum_over_groups(const at::Tensor& gradient, const at::Tensor& key);

// Gradients that can be differentiated again (create_graph), of query, key, value and whatever else `inputs` holds,
// through the reference: one for each input, undefined where it takes none, then two undefined ones for the arguments
// that are no tensors.
std::vector<at::Tensor> gradients_through_reference(const std::vector<at::Tensor>& inputs, const at::Tensor& upstream,
                                                    const AttentionOptions& options);

}  // namespace saobp::attention
