// The element-wise work between a layer's matrix products, row by row, in one sweep each: raw pointers and sizes.
// T: float or c10::BFloat16; everything in between is float. Rows are contiguous; sums over rows (the gradients of
// biases and of LayerNorm) are made in blocks of kRowsABlock, so that the number of threads does not change a bit.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace saobp::model::cpu {

inline constexpr int64_t kRowsABlock = 64;
inline int64_t blocks_of(int64_t rows) { return (rows + kRowsABlock - 1) / kRowsABlock; }

// Which elements dropout drops: element n of the tensor when its 32-bit hash under `key` is below `threshold`; those
// kept are multiplied by `scale`. threshold 0 drops nothing.
struct Dropout {
  uint32_t key = 0, threshold = 0;
  float scale = 1;
};

// sum = residual + R ⊙ (x + bias), normed = LayerNorm(sum); what is null is left out.
template <class T>
struct AddNorm {
  int64_t rows, channels;
  const T *x, *residual;
  const float* bias;  // [channels], with x only
  Dropout dropout;
  const float *weight, *offset;  // [channels], of LayerNorm
  float eps;
};

// sum, normed [rows, channels] and mean, inverse_deviation [rows]: null where not wanted.
template <class T>
void add_norm(const AddNorm<T>& problem, T* sum, T* normed, float* mean, float* inverse_deviation);

template <class T>
struct AddNormGradients {
  const T *sum, *sum_gradient, *normed_gradient;  // either gradient may be null
  const float *mean, *inverse_deviation;
  T* residual_gradient;  // [rows, channels]
  T* x_gradient;         // null where it is the same: without dropout
  float* partial;        // [blocks, 3, channels]: sums over each block's rows for bias, weight and offset
};

template <class T>
void add_norm_backward(const AddNorm<T>& problem, const AddNormGradients<T>& gradients);

enum class Activation { gelu, gelu_tanh, relu };

// out = activation(x + bias), each [rows, channels]; bias may be null.
template <class T>
void activation(Activation kind, int64_t rows, int64_t channels, const T* x, const float* bias, T* out);

// x_gradient = out_gradient ⊙ activation'(x + bias); partial [blocks, channels]: its sums over each block's rows.
template <class T>
void activation_backward(Activation kind, int64_t rows, int64_t channels, const T* x, const float* bias,
                         const T* out_gradient, T* x_gradient, float* partial);

}  // namespace saobp::model::cpu
