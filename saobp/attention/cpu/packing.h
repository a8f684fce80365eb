// Moves rows of query, key and value into the layouts that the matrix products want, and gradients back. Tensors are
// float or bfloat16, everything in between is float; results are rounded once, to the nearest, ties to even.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <vector>

#include "saobp/attention/cpu/layout.h"

namespace saobp::attention::cpu {

// One head of a tensor [L, D]: unit stride inside a row.
template <class T>
struct Rows {
  T* data;
  int64_t stride;
  T* operator[](int64_t i) const { return data + i * stride; }
};

// The rows that are real, in order; rows are packed one after the other.
using Indices = std::vector<uint32_t>;

// target[n][channels] = rows[indices[n]] · factor for n < count. T: float, c10::BFloat16, as everywhere below.
template <class T>
void pack_rows(const Rows<const T>& rows, const uint32_t* indices, int64_t count, int64_t channels, float factor,
               float* target);

// Transposed, in tiles of [channels][128]: target[n / 128][d][n % 128] = rows[indices[n]][d] · factor; columns from
// count up to the next multiple of 16 become 0.
template <class T>
void pack_transposed(const Rows<const T>& rows, const uint32_t* indices, int64_t count, int64_t channels, float factor,
                     float* target);

// The way back: rows[indices[n]][d] = source[n / 128][d][n % 128] · factor.
template <class T>
void unpack_transposed(const float* source, const uint32_t* indices, int64_t count, int64_t channels, float factor,
                       const Rows<T>& rows);

// rows[indices[n]] = source[n][channels] · factors[n] for n < count.
template <class T>
void store_rows(const float* source, const uint32_t* indices, int64_t count, int64_t channels, const float* factors,
                const Rows<T>& rows);

// target[d · ld + n] = source[n · stride + d] for n < count; the columns from count to ld are not touched.
void transpose_block(const float* source, int64_t stride, int64_t count, int64_t channels, float* target, int64_t ld);

}  // namespace saobp::attention::cpu
