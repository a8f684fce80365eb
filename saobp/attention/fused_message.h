// A kind of message as the fused operators see it: what its forward pass saves for the backward pass, and both passes
// on tensors. One record each: the signed strength's in fused_signed.cpp, ElemMul's in fused_elemmul.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <type_traits>

#include "saobp/attention/cpu/kernel.h"
#include "saobp/attention/refined_attention.h"

namespace saobp::attention {

// The arguments of a call as the kernels read them.
struct FusedCall {
  FusedCall(const AttentionOptions& options, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
            bool learn_strengths);

  at::Tensor query, key, value;  // with a unit last stride
  cpu::Problem problem{};

 private:
  at::Tensor strengths_, key_mask_, query_mask_;  // what the problem's pointers point to
};

// What a forward pass leaves for the backward pass, and the statistics, which have no elements where they are not
// wanted. What belongs to padded rows stays 0, so that results are the same bits in every run.
struct SavedTensors {
  at::Tensor rows, columns, tables, statistics;
};

// ∂L/∂query, key and value, those of key and value for each query head; strengths: [batch, heads] in double, zeros.
struct GradientTensors {
  at::Tensor query, key, value, strengths;
};

struct FusedMessage {
  bool takes_bfloat16;  // else, as half does for all, in float
  SavedTensors (*make_saved)(const AttentionOptions& options, const at::Tensor& query, const at::Tensor& key,
                             bool statistics);
  void (*forward)(const FusedCall& call, const at::Tensor& output, const SavedTensors& saved);
  void (*backward)(const FusedCall& call, const at::Tensor& output, const at::Tensor& output_gradient,
                   const SavedTensors& saved, const GradientTensors& gradients);
};

extern const FusedMessage kSignedMessage, kElemmulMessage;

inline const FusedMessage& message_of(const AttentionOptions& options) {
  return options.elemmul ? kElemmulMessage : kSignedMessage;
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

template <class T>
cpu::Inputs<T> inputs_of(const FusedCall& call) {
  return {view_of<const T>(call.query), view_of<const T>(call.key), view_of<const T>(call.value)};
}

// The kernels write what is saved in the forward pass, and read it in the backward pass.
template <class T>
T* saved_data(const at::Tensor& tensor) {
  return const_cast<T*>(tensor.const_data_ptr<T>());
}

inline float* statistics_data(const SavedTensors& saved) {
  return saved.statistics.defined() && saved.statistics.numel() > 0 ? saved_data<float>(saved.statistics) : nullptr;
}

}  // namespace saobp::attention
