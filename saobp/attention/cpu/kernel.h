// The fused CPU kernels: softmax attention and its refinement by a signed strength, encoder form, float, with padding
// and dropout. Raw pointers, strides and sizes; nothing here knows about autograd.
#pragma once

#include <cstdint>

namespace saobp::attention::cpu {

// [batch, heads, length, channels] with unit stride over the channels.
template <class T>
struct View {
  T* data;
  int64_t batch_stride, head_stride, row_stride;
};

struct Problem {
  int64_t batch, heads, queries, keys, channels;
  const bool* query_mask;  // [batch, queries], true = real; null: all are
  const bool* key_mask;    // [batch, keys]
  double strength;         // signed λ
  bool exclude_self;
  double dropout;
  int64_t seed;
};

// What the backward pass needs to make the matrices again. Rows and columns of a head are its real ones, in order; the
// places after them hold 0. All logarithms are to base 2.
struct Saved {
  float* rows;         // [4][batch, heads, queries]: maximum of S, 1 / Σ 2^(S − max), logsumexp of the refined logits,
                       // fold ratio (forward.cpp)
  float* column_bias;  // [batch, heads, keys]: c − max c; 0 for strength 0
};

void forward(const Problem& problem, const View<const float>& query, const View<const float>& key,
             const View<const float>& value, const View<float>& output, const Saved& saved);

struct Gradients {
  View<float> query, key, value;
};

void backward(const Problem& problem, const View<const float>& query, const View<const float>& key,
              const View<const float>& value, const View<const float>& output, const View<const float>& output_gradient,
              const Saved& saved, const Gradients& gradients);

}  // namespace saobp::attention::cpu
