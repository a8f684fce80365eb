#include "saobp/scores/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace saobp::scores {
namespace {

using Classes = std::vector<int64_t>;
using Values = std::vector<double>;

TEST(Accuracy, IsTheShareOfEqualOnes) {
  EXPECT_EQ(accuracy(Classes{1, 0, 2, 2}, Classes{1, 1, 2, 0}), 0.5);
  EXPECT_TRUE(std::isnan(accuracy(Classes{}, Classes{})));
}

TEST(F1, IsOfOneClass) {
  const Classes gold = {1, 1, 1, 0, 0}, predicted = {1, 1, 0, 1, 0};
  EXPECT_NEAR(f1(gold, predicted, 1), 2.0 * 2 / 6, 1e-15);
  EXPECT_NEAR(f1(gold, predicted, 0), 2.0 * 1 / 4, 1e-15);
  EXPECT_EQ(f1(Classes{0, 0}, Classes{0, 0}, 1), 0);
}

TEST(Matthews, OfTwoAndOfThreeClasses) {
  // TP 2, FN 1, FP 1, TN 1.
  EXPECT_NEAR(matthews(Classes{1, 1, 1, 0, 0}, Classes{1, 1, 0, 1, 0}), (2 * 1 - 1 * 1) / std::sqrt(3.0 * 3 * 2 * 2),
              1e-15);
  // scikit-learn's matthews_corrcoef.
  EXPECT_NEAR(matthews(Classes{0, 1, 2, 2, 1, 0}, Classes{0, 2, 2, 2, 1, 1}), 0.5222329678670935, 1e-12);
  EXPECT_EQ(matthews(Classes{1, 0, 1}, Classes{1, 1, 1}), 0) << "one class alone";
}

TEST(Correlations, OfTiesAndConstants) {
  const Values x = {1, 2, 2, 5, 0}, y = {0.5, 0.25, 3, 3, -1};
  EXPECT_EQ(ranks_of(x), (Values{2, 3.5, 3.5, 5, 1}));
  EXPECT_NEAR(pearson(x, y), 0.7874507858637774, 1e-12);  // SciPy
  EXPECT_NEAR(spearman(x, y), 0.7631578947368421, 1e-12);
  EXPECT_NEAR(pearson(x, Values{2, 4, 4, 10, 0}), 1, 1e-15);
  EXPECT_TRUE(std::isnan(pearson(x, Values(5, 1.5)))) << "undefined, not 0";
  EXPECT_TRUE(std::isnan(spearman(Values(5, 0.0), y)));
}

TEST(Estimate, StandardErrorIsThatOfTheMean) {
  Classes gold(400), right(400);
  for (size_t i = 0; i < gold.size(); ++i) right[i] = i % 4 == 0;  // a quarter
  const auto found = estimate(400, [&](std::span<const int64_t> sample) {
    double sum = 0;
    for (int64_t i : sample) sum += static_cast<double>(right[static_cast<size_t>(i)]);
    return sum / static_cast<double>(sample.size());
  });
  EXPECT_EQ(found.value, 0.25);
  // A thousand samples know it to about 2 %; the draws are always the same.
  EXPECT_NEAR(found.standard_error, std::sqrt(0.25 * 0.75 / 400), 0.002);
  const auto of_mean = mean(Values{1, 2, 3, 6});
  EXPECT_EQ(of_mean.value, 3);
  EXPECT_NEAR(of_mean.standard_error, std::sqrt(14.0 / 3 / 4), 1e-15);
}

}  // namespace
}  // namespace saobp::scores
