// The kernels' matrix products, on tiles (layout.h). E is the type of both operands, float or bfloat16; sums are float.
//
// A right operand of bfloat16 holds pairs: rows 2r and 2r + 1 lie side by side, so that element (k, n) of one with rows
// of `stride` elements is data[(k / 2) · 2 · stride + 2n + k % 2]. Inner dimensions of bfloat16 are multiples of 32
// with zeros behind the last real one: matrix units read whole rows of their tiles, and what lies there is multiplied.
#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "saobp/attention/cpu/layout.h"

namespace saobp::attention::cpu {

using c10::BFloat16;

// Whether this machine multiplies bfloat16 (AVX-512 with bf16, AMX), as tried out once. Else float is multiplied.
bool multiplies_bfloat16();

// Calls f(E()) with the type that the products on a tensor of T take.
template <class T, class F>
void with_operand(F&& f) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    if (multiplies_bfloat16()) return f(BFloat16());
  }
  f(0.0f);
}

// An inner dimension, with what zeros are added to it.
template <class E>
constexpr int64_t depth_of(int64_t count) {
  return std::is_same_v<E, float> ? count : round_up(count, 32);
}

// So many floats are room enough for a row of `channels` operands of either type.
constexpr int64_t operand_floats(int64_t channels) { return std::max(channels, depth_of<BFloat16>(channels) / 2); }

// Memory that is handed out as floats, as operands.
template <class E>
E* as(float* memory) {
  return reinterpret_cast<E*>(memory);
}

// Matrix units keep a configuration, which is given back when a thread has done its part.
struct ProductsDone {
  ProductsDone() = default;
  ProductsDone(const ProductsDone&) = delete;
  ProductsDone& operator=(const ProductsDone&) = delete;
  ~ProductsDone();
};

// Neighbouring rows of a matrix.
template <class E>
struct PackedOf {
  const E* data;
  int64_t stride;
};
using Packed = PackedOf<float>;

// block = rows[m][depth] · transposed, with `transposed` in tiles of [depth][128].
template <class E>
void multiply_into_block(const Block& block, int64_t m, PackedOf<E> rows, int64_t depth, const E* transposed);

// target[m][channels] = block · columns[·][channels].
template <class E>
void multiply_block(const BlockOf<E>& block, int64_t m, PackedOf<E> columns, int64_t channels, float* target);

// transposed (+)= rowsᵀ · block, with rows_transposed [channels][64], `depth` rows, and `transposed` in tiles of
// [channels][128].
template <class E>
void accumulate_transposed(const E* rows_transposed, const BlockOf<E>& block, int64_t depth, int64_t channels,
                           float* transposed, bool add);

// C[m][n] (+)= A[m][k] B[k][n], row-major with leading dimensions (B of bfloat16 in pairs).
void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
              int64_t ldc, bool add);
void multiply(int64_t m, int64_t n, int64_t k, const BFloat16* a, int64_t lda, const BFloat16* b, int64_t ldb, float* c,
              int64_t ldc, bool add);

}  // namespace saobp::attention::cpu
