#include "saobp/scores/correlation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace saobp::scores {
namespace {

const std::vector<double> kX = {2.1, 3.4, 1.0, 5.5, 4.2, 7.0, 6.1, 0.3}, kY = {1.0, 3.0, 0.5, 4.0, 6.5, 5.0, 8.0, 1.2};

// scipy.stats 1.17: pearsonr(x, y), its confidence_interval(), and spearmanr(x, y).
TEST(Correlation, AgreesWithScipy) {
  const auto pearson = pearson_test(kX, kY);
  EXPECT_NEAR(pearson.r, 0.8185317000, 1e-9);
  EXPECT_NEAR(pearson.p, 0.0129801981, 1e-9);
  EXPECT_NEAR(pearson.low, 0.2690406413, 1e-9);
  EXPECT_NEAR(pearson.high, 0.9660117966, 1e-9);
  EXPECT_EQ(pearson.n, 8);
  const auto spearman = spearman_test(kX, kY);
  EXPECT_NEAR(spearman.r, 0.8095238095, 1e-9);
  EXPECT_NEAR(spearman.p, 0.0149026677, 1e-9);
  EXPECT_LT(spearman.low, pearson.low);  // its variance is larger
}

TEST(Correlation, OfTooFewOrOfConstantsIsUndefined) {
  EXPECT_TRUE(std::isnan(pearson_test({1, 2}, {1, 2}).r));
  EXPECT_TRUE(std::isnan(pearson_test({1, 1, 1, 1}, {1, 2, 3, 4}).r));
  const auto three = pearson_test({1, 2, 3}, {1, 3, 2});
  EXPECT_DOUBLE_EQ(three.r, 0.5);
  EXPECT_EQ(three.low, -1);
  EXPECT_EQ(three.high, 1);
  EXPECT_EQ(pearson_test({1, 2, 3, 4}, {2, 4, 6, 8}).p, 0);
  const auto with_gap = pearson_test({1, 2, NAN, 3, 4}, {1, 3, 7, 2, NAN});
  EXPECT_EQ(with_gap.n, 3);
  EXPECT_DOUBLE_EQ(with_gap.r, 0.5);
}

TEST(Correlation, IsCorrectedForHowManyWereTried) {
  // scipy.stats.false_discovery_control
  const auto adjusted = adjusted_p({0.01, 0.04, NAN, 0.03, 0.20});
  const double expected[] = {0.04, 0.16 / 3, NAN, 0.16 / 3, 0.20};
  for (size_t i = 0; i < 5; ++i) {
    if (std::isnan(expected[i]))
      EXPECT_TRUE(std::isnan(adjusted[i]));
    else
      EXPECT_NEAR(adjusted[i], expected[i], 1e-12) << i;
  }
}

}  // namespace
}  // namespace saobp::scores
