#include "saobp/data/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace saobp::data {
namespace {

TEST(Random, DependsOnSeedPurposeAndIndexOnly) {
  auto first = [](uint64_t seed, Purpose purpose, uint64_t index) { return Random(seed, purpose, index).bits(); };
  EXPECT_EQ(first(1, Purpose::masks, 2), first(1, Purpose::masks, 2));
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (auto purpose : {Purpose::document_order, Purpose::row_order, Purpose::source_choice, Purpose::masks})
      for (uint64_t index = 0; index < 50; ++index) seen.insert(first(seed, purpose, index));
  EXPECT_EQ(seen.size(), 20u * 4 * 50);
}

// A run that is resumed by a later version must draw the same numbers: these are not to change.
TEST(Random, SequenceIsPinned) {
  Random random(42, Purpose::masks, 7);
  EXPECT_EQ(random.bits(), 12058161375573027839ull);
  EXPECT_EQ(random.bits(), 1412303634246145011ull);
}

// Means over neighbouring indices, as the masks of neighbouring rows use them: each is within 5 standard errors.
TEST(Random, FirstDrawsOfNeighbouringIndicesAreUniform) {
  constexpr int n = 20000;
  for (uint64_t seed : {0ull, 1ull, ~0ull}) {
    double mean = 0, product = 0, last = 0.5;
    for (uint64_t i = 0; i < n; ++i) {
      double u = Random(seed, Purpose::masks, i).uniform();
      ASSERT_GE(u, 0.0);
      ASSERT_LT(u, 1.0);
      mean += u / n;
      product += (u - 0.5) * (last - 0.5) / n;
      last = u;
    }
    EXPECT_NEAR(mean, 0.5, 5 * 0.28868 / std::sqrt(n));
    EXPECT_NEAR(product, 0.0, 5 * (1.0 / 12) / std::sqrt(n));
  }
}

// 3 · 2^62 is the size for which the modulo of 64 bits would give the lower third twice as often.
TEST(Random, BelowHasNoModuloBias) {
  const uint64_t n = 3ull << 62;
  Random random(3, Purpose::masks);
  int lower = 0;
  constexpr int draws = 9000;
  for (int i = 0; i < draws; ++i) {
    uint64_t value = random.below(n);
    ASSERT_LT(value, n);
    lower += value < n / 3;
  }
  EXPECT_NEAR(lower, draws / 3.0, 5 * std::sqrt(draws * 2.0 / 9));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, PermutationsAreUniform) {
  // Each of the 24 orders of 4 things: chi-square with 23 degrees of freedom is below 60 but once in 4e4 seeds.
  std::vector<int> counts(256);
  constexpr int draws = 24000;
  for (uint64_t i = 0; i < draws; ++i) {
    auto order = random_permutation(4, Random(5, Purpose::row_order, i));
    ++counts[order[0] | order[1] << 2 | order[2] << 4 | order[3] << 6];
  }
  double chi = 0;
  int kinds = 0;
  for (int count : counts)
    if (count > 0) ++kinds, chi += (count - 1000.0) * (count - 1000.0) / 1000;
  EXPECT_EQ(kinds, 24);
  EXPECT_LT(chi, 60);

  auto order = random_permutation(1000, Random(5, Purpose::row_order));
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(order[i], i);
  EXPECT_TRUE(random_permutation(0, Random(5, Purpose::row_order)).empty());
}

}  // namespace
}  // namespace saobp::data
