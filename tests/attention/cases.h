// What the attention tests share: random inputs, padding patterns, error measures.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "saobp/attention/refined_attention.h"

namespace saobp::attention::testing {

struct Inputs {
  at::Tensor query, key, value;
};

inline at::Tensor normal(at::IntArrayRef sizes, uint64_t seed, at::ScalarType type = at::kDouble) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::normal(0.0, 1.0, sizes, generator, at::TensorOptions().dtype(at::kDouble)).to(type);
}

inline Inputs random_inputs(int64_t batch, int64_t heads, int64_t queries, int64_t keys, int64_t channels,
                            at::ScalarType type = at::kDouble, uint64_t seed = 1) {
  return {normal({batch, heads, queries, channels}, seed, type), normal({batch, heads, keys, channels}, seed + 1, type),
          normal({batch, heads, keys, channels}, seed + 2, type)};
}

// As the model makes them: query, key and value are transposed views of one [B, L, 3, H, D] tensor.
inline Inputs packed_inputs(int64_t batch, int64_t heads, int64_t length, int64_t channels,
                            at::ScalarType type = at::kFloat, uint64_t seed = 1) {
  const auto packed = normal({batch, length, 3, heads, channels}, seed, type);
  const auto part = [&](int64_t i) { return packed.select(2, i).transpose(1, 2); };
  return {part(0), part(1), part(2)};
}

// key_heads key and value heads, each for heads / key_heads query heads.
inline Inputs grouped_inputs(int64_t batch, int64_t heads, int64_t key_heads, int64_t length, int64_t channels,
                             at::ScalarType type = at::kDouble, uint64_t seed = 1) {
  return {normal({batch, heads, length, channels}, seed, type),
          normal({batch, key_heads, length, channels}, seed + 1, type),
          normal({batch, key_heads, length, channels}, seed + 2, type)};
}

// [batch, length] bool; row b keeps the first length·(b + 1)/(batch + 1) + 1 positions, the last row all of them.
inline at::Tensor tail_padding(int64_t batch, int64_t length) {
  auto mask = at::ones({batch, length}, at::kBool);
  for (int64_t b = 0; b + 1 < batch; ++b) {
    const int64_t kept = std::min(length, length * (b + 1) / (batch + 1) + 1);
    mask[b].narrow(0, kept, length - kept).fill_(false);
  }
  return mask;
}

// Padding in the middle and at the start, and a last row without any real position.
inline at::Tensor scattered_padding(int64_t batch, int64_t length, uint64_t seed = 7) {
  auto mask = normal({batch, length}, seed).gt(-0.3);
  mask[batch - 1].fill_(false);
  return mask;
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

struct Gradients {
  at::Tensor output, query, key, value;
};

// Output and gradients of refined_attention for the output gradient `upstream`.
Gradients run(const Inputs& inputs, const AttentionOptions& options, const at::Tensor& upstream);

}  // namespace saobp::attention::testing
