// Dropout's counter-based generator: whether an element is kept is a pure function of (seed, batch·heads + head, row,
// column), so that the backward pass draws the mask again and every kernel and thread count sees the same one.
//
// A row's 64-bit key comes from two rounds of splitmix64's finaliser; an element's 31 bits from a 32-bit integer hash
// (the shifts and multipliers of "lowbias32", Chris Wellons) of its column, with the two halves of the key mixed in
// before the first and before the second multiplication.
#pragma once

#include <cmath>
#include <cstdint>

namespace saobp::attention {

inline constexpr uint64_t kDropoutStep = 0x9E3779B97F4A7C15u;
inline constexpr uint64_t kDropoutMix1 = 0xBF58476D1CE4E5B9u;
inline constexpr uint64_t kDropoutMix2 = 0x94D049BB133111EBu;
inline constexpr uint32_t kDropoutHash1 = 0x7FEB352Du;
inline constexpr uint32_t kDropoutHash2 = 0x846CA68Bu;

inline uint64_t dropout_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * kDropoutMix1;
  x = (x ^ (x >> 27)) * kDropoutMix2;
  return x ^ (x >> 31);
}

inline uint64_t dropout_row_key(uint64_t seed, uint64_t head, uint64_t row) {
  return dropout_mix(dropout_mix(seed + kDropoutStep * (head + 1)) + kDropoutStep * (row + 1));
}

// Uniform on [0, 2^31).
inline uint32_t dropout_bits(uint64_t row_key, uint32_t column) {
  uint32_t x = column + static_cast<uint32_t>(row_key);
  x = ((x ^ (x >> 16)) * kDropoutHash1) ^ static_cast<uint32_t>(row_key >> 32);
  x = (x ^ (x >> 15)) * kDropoutHash2;
  return (x ^ (x >> 16)) >> 1;
}

// An element is dropped when its bits are below this.
inline uint32_t dropout_threshold(double probability) {
  return static_cast<uint32_t>(std::llround(probability * 2147483647.0));
}

}  // namespace saobp::attention
