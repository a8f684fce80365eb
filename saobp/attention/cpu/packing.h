// Moves rows of query, key and value into the layouts that the matrix products want, and gradients back.
#pragma once

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

// target[n][channels] = rows[indices[first + n]] · factor for n < count.
void pack_rows(const Rows<const float>& rows, const uint32_t* indices, int64_t count, int64_t channels, float factor,
               float* target);

// Transposed, in tiles of [channels][128]: target[n / 128][d][n % 128] = rows[indices[n]][d] · factor; columns from
// count up to the next multiple of 16 become 0.
void pack_transposed(const Rows<const float>& rows, const uint32_t* indices, int64_t count, int64_t channels,
                     float factor, float* target);

// The way back: rows[indices[n]][d] = source[n / 128][d][n % 128] · factor.
void unpack_transposed(const float* source, const uint32_t* indices, int64_t count, int64_t channels, float factor,
                       const Rows<float>& rows);

// target[d · ld + n] = source[n · stride + d] for n < count; the columns from count to ld are not touched.
void transpose_block(const float* source, int64_t stride, int64_t count, int64_t channels, float* target, int64_t ld);

}  // namespace saobp::attention::cpu
