// Random numbers that depend on what they are for, never on how many were drawn before: every use has its own
// generator, keyed by (seed, purpose, index). Rows can therefore be made in any order, by any number of threads, and a
// run that is resumed draws what it would have drawn.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace saobp::data {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which every input bit moves every output bit.
constexpr uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

inline constexpr uint64_t kMix64Step = 0x9E3779B97F4A7C15ull;  // of its generator: 2^64 / golden ratio

// What a generator is for; two purposes never share numbers.
enum class Purpose : uint64_t {
  document_order = 1,
  row_order,
  source_choice,
  masks,
  example_order,
  step_order,
  example_choice,
  khop,
  held_out_examples
};

class Random {
 public:
  Random(uint64_t seed, Purpose purpose, uint64_t index = 0)
      : key_(mix64(mix64(mix64(seed + kMix64Step) + static_cast<uint64_t>(purpose) * kMix64Step) ^
                   (index * kOdd + kMix64Step))) {}

  // 64 uniform bits.
  uint64_t bits() { return mix64(key_ + kMix64Step * ++counter_); }

  // Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  // Uniform in [0, n), n > 0, without modulo bias (Lemire 2019, with rejection).
  uint64_t below(uint64_t n) {
    for (;;) {
      unsigned __int128 product = static_cast<unsigned __int128>(bits()) * n;
      uint64_t low = static_cast<uint64_t>(product);
      if (low >= n || low >= (0 - n) % n) return static_cast<uint64_t>(product >> 64);
    }
  }

 private:
  static constexpr uint64_t kOdd = 0xD1342543DE82EF95ull;
  uint64_t key_, counter_ = 0;
};

// 0 … n−1 in a random order (Fisher-Yates).
inline std::vector<uint32_t> random_permutation(uint32_t n, Random random) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  for (uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace saobp::data
