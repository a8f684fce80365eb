#include "saobp/scores/compare.h"

#include <gtest/gtest.h>

#include <cmath>

namespace saobp::scores {
namespace {

// A run that is right on every example but each n-th.
ScoreOfSample wrong_each(int64_t n, int64_t from = 0) {
  return [=](std::span<const int64_t> sample) {
    double right = 0;
    for (int64_t i : sample) right += (i + from) % n != 0;
    return right / static_cast<double>(sample.size());
  };
}

TEST(Difference, OfExamplesHasTheWidthOfTheNormalApproximation) {
  // Wrong on 100 and on 50 of 400, the latter among the former: the differences are 50 ones and 350 zeros.
  const auto found = difference({wrong_each(4)}, {wrong_each(8)}, 400, {});
  EXPECT_NEAR(found.value, 0.125, 1e-12);
  const double error = std::sqrt(0.125 * 0.875 / 400);
  EXPECT_NEAR(found.low, 0.125 - 1.96 * error, 0.006);
  EXPECT_NEAR(found.high, 0.125 + 1.96 * error, 0.006);
  EXPECT_TRUE(found.is_better());
  EXPECT_LT(found.p, 0.01);
  const auto other_way = difference({wrong_each(8)}, {wrong_each(4)}, 400, {});
  EXPECT_TRUE(other_way.is_worse() && !other_way.is_better());
}

TEST(Difference, OfEqualRunsIsNone) {
  const auto found = difference({wrong_each(4)}, {wrong_each(4)}, 100, {});
  EXPECT_EQ(found.value, 0);
  EXPECT_FALSE(found.is_better() || found.is_worse());
  EXPECT_EQ(found.p, 1);
  const auto like = difference({wrong_each(4)}, {wrong_each(4, 1)}, 100, {});
  EXPECT_FALSE(like.is_better() || like.is_worse());
  EXPECT_GT(like.p, 0.5);
}

TEST(Difference, SeedsThatDifferMakeItWider) {
  const std::vector<ScoreOfSample> spread = {wrong_each(3), wrong_each(30)}, also = {wrong_each(2), wrong_each(20)};
  const auto examples = difference(spread, also, 600, {});
  const auto both = difference(spread, also, 600, {.examples = true, .seeds = true, .paired = false});
  const auto paired = difference(spread, also, 600, {.examples = true, .seeds = true, .paired = true});
  EXPECT_EQ(examples.value, both.value);
  EXPECT_TRUE(examples.is_worse());
  EXPECT_FALSE(both.is_worse()) << "which seeds happened to be drawn decides";
  EXPECT_LT(paired.high - paired.low, both.high - both.low);
}

TEST(McNemar, IsTheExactBinomial) {
  std::vector<uint8_t> first(20, 1), second(20, 1);
  for (int i = 0; i < 8; ++i) first[static_cast<size_t>(i)] = 0;
  second[19] = second[18] = 0;
  const auto found = mcnemar(first, second);
  EXPECT_EQ(found.only_first, 2);
  EXPECT_EQ(found.only_second, 8);
  EXPECT_NEAR(found.p, 0.109375, 1e-12);  // scipy.stats.binomtest(2, 10).pvalue
  EXPECT_EQ(mcnemar(first, first).p, 1);
}

}  // namespace
}  // namespace saobp::scores
