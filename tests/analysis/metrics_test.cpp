#include "saobp/analysis/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "saobp/model/libtorch.h"

namespace saobp::analysis {
namespace {

using Matrix = std::vector<std::vector<double>>;

// The definitions as loops over plain vectors; no code is shared with the library.
namespace loops {

Matrix multiply(const Matrix& a, const Matrix& b) {
  const size_t n = a.size();
  Matrix c(n, std::vector<double>(n, 0));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      for (size_t k = 0; k < n; ++k) c[i][j] += a[i][k] * b[k][j];
  return c;
}

// Eq. 12, term by term.
Matrix indirect(const Matrix& a, double discount, int64_t hops) {
  Matrix g(a.size(), std::vector<double>(a.size(), 0)), power = a;
  double factor = 1;
  for (int64_t t = 2; t <= hops; ++t) {
    power = multiply(power, a);
    factor *= discount;
    for (size_t i = 0; i < a.size(); ++i)
      for (size_t j = 0; j < a.size(); ++j) g[i][j] += factor * power[i][j];
  }
  return g;
}

double entropy(const Matrix& a) {
  double total = 0;
  for (const auto& row : a) {
    double sum = 0;
    for (double p : row) sum += p;
    for (double p : row)
      if (p > 0) total -= p / sum * std::log(p / sum);
  }
  return total / static_cast<double>(a.size());
}

double squares(const Matrix& a) {
  double sum = 0;
  for (const auto& row : a)
    for (double p : row) sum += p * p;
  return sum;
}

double sparsity(const Matrix& a, double threshold) {
  double count = 0, all = 0;
  for (const auto& row : a)
    for (double p : row) {
      count += p < threshold;
      all += 1;
    }
  return count / all;
}

}  // namespace loops

torch::Tensor random_attention(int64_t heads, int64_t length, double temperature) {
  return torch::softmax(torch::randn({heads, length, length}, torch::kDouble) * temperature, -1);
}

Matrix head_of(const torch::Tensor& matrices, int64_t head) {
  const auto one = matrices[head].to(torch::kDouble).contiguous();
  Matrix out;
  for (int64_t i = 0; i < one.size(0); ++i) {
    const double* row = one.data_ptr<double>() + i * one.size(1);
    out.emplace_back(row, row + one.size(1));
  }
  return out;
}

// Differences are relative to values of order one; a few hundred float64 additions stay far below.
constexpr double kRounding = 1e-12;

TEST(Metrics, IdempotentGtdIsTheLineOfTheMethod) {
  const MetricOptions options;
  EXPECT_NEAR(indirect_weight(options), 0.9 + 0.81 + 0.729, 1e-15);
  EXPECT_NEAR(idempotent_gtd(options), 5.948721 / 6.948721, 1e-15);
  EXPECT_NEAR(idempotent_gtd(options), 0.856, 5e-4);
  MetricOptions two;
  two.gtd_hops = 2;
  EXPECT_NEAR(idempotent_gtd(two), 0.81 / 1.81, 1e-15);
}

TEST(Metrics, UniformAttention) {
  const int64_t length = 150;  // 1/150 is below the threshold of 0.01
  const auto uniform = torch::full({2, length, length}, 1.0 / length, torch::kDouble);
  for (int64_t head = 0; head < 2; ++head) {
    EXPECT_NEAR(attention_entropy(uniform)[head], std::log(length), kRounding);
    EXPECT_NEAR(indirect_entropy(uniform, {})[head], std::log(length), kRounding);
    EXPECT_NEAR(gtd(uniform, {})[head], idempotent_gtd({}), kRounding);
    EXPECT_EQ(sparsity(uniform, {})[head], 1.0);
  }
}

TEST(Metrics, IdentityAndSinkSitOnTheSameGtdAsUniform) {
  const int64_t length = 12;
  const auto identity = torch::eye(length, torch::kDouble).unsqueeze(0);
  auto sink = torch::zeros({1, length, length}, torch::kDouble);
  sink.select(-1, 3).fill_(1);
  for (const auto& matrices : {identity, sink})
    for (const int64_t hops : {2, 3, 4, 5, 9}) {
      MetricOptions options;
      options.gtd_hops = hops;
      EXPECT_NEAR(gtd(matrices, options)[0], idempotent_gtd(options), kRounding) << hops << " hops";
      EXPECT_EQ(attention_entropy(matrices)[0], 0.0);
      EXPECT_NEAR(indirect_entropy(matrices, options)[0], 0.0, kRounding);
      EXPECT_NEAR(sparsity(matrices, options)[0], 1 - 1.0 / length, kRounding);
    }
}

TEST(Metrics, CyclicPermutation) {
  // A², A³ and A⁴ of a cycle of five are disjoint permutations: ‖G‖² = L(β² + β⁴ + β⁶), and each row of G holds β, β²,
  // β³.
  const auto cycle = torch::roll(torch::eye(5, torch::kDouble), 1, 1).unsqueeze(0);
  const double g = 0.81 + 0.6561 + 0.531441, b = 2.439;
  EXPECT_NEAR(gtd(cycle, {})[0], g / (1 + g), kRounding);
  double entropy = 0;
  for (double weight : {0.9, 0.81, 0.729}) entropy -= weight / b * std::log(weight / b);
  EXPECT_NEAR(indirect_entropy(cycle, {})[0], entropy, kRounding);
  EXPECT_EQ(attention_entropy(cycle)[0], 0.0);
}

TEST(Metrics, AgreeWithLoopsForEveryNumberOfHops) {
  torch::manual_seed(7);
  const auto matrices = random_attention(3, 17, 3.0);
  for (const double discount : {0.3, 0.9, 1.0})
    for (int64_t hops = 2; hops <= 8; ++hops) {
      MetricOptions options{.gtd_discount = discount, .gtd_hops = hops, .sparsity_threshold = 0.02};
      const auto values = attention_metrics(matrices, options, "random");
      ASSERT_EQ(values.size(), metric_names().size());
      for (int64_t head = 0; head < 3; ++head) {
        const Matrix a = head_of(matrices, head);
        const Matrix g = loops::indirect(a, discount, hops);
        const double expected[] = {loops::entropy(a), loops::squares(g) / (loops::squares(a) + loops::squares(g)),
                                   loops::entropy(g), loops::sparsity(a, 0.02)};
        for (size_t metric = 0; metric < values.size(); ++metric) {
          EXPECT_EQ(values[metric].first, metric_names()[metric]);
          EXPECT_NEAR(values[metric].second[head], expected[metric], kRounding)
              << values[metric].first << ", head " << head << ", " << hops << " hops, discount " << discount;
        }
      }
    }
}

TEST(Metrics, IndirectAttentionIsTheSumOfPowers) {
  torch::manual_seed(11);
  const auto matrices = random_attention(2, 9, 2.0);
  for (int64_t hops = 2; hops <= 7; ++hops) {
    MetricOptions options;
    options.gtd_hops = hops;
    const auto indirect = indirect_attention(matrices, options);
    for (int64_t head = 0; head < 2; ++head) {
      const Matrix expected = loops::indirect(head_of(matrices, head), 0.9, hops), found = head_of(indirect, head);
      for (size_t i = 0; i < 9; ++i)
        for (size_t j = 0; j < 9; ++j) ASSERT_NEAR(found[i][j], expected[i][j], kRounding) << hops << " hops";
    }
  }
}

TEST(Metrics, FloatInputIsMeasuredInDouble) {
  torch::manual_seed(3);
  const auto matrices = random_attention(2, 33, 4.0).to(torch::kFloat);
  const auto single = attention_metrics(matrices, {}, "single"),
             twice = attention_metrics(matrices.to(torch::kDouble), {}, "double");
  for (size_t metric = 0; metric < single.size(); ++metric)
    EXPECT_EQ(single[metric].second, twice[metric].second) << single[metric].first;
}

TEST(Metrics, StridedInput) {
  torch::manual_seed(5);
  const auto wide = torch::softmax(torch::randn({2, 8, 8, 3}, torch::kDouble), 2);
  const auto view = wide.select(-1, 1);
  ASSERT_FALSE(view.is_contiguous());
  const auto strided = attention_metrics(view, {}, "view"), copied = attention_metrics(view.contiguous(), {}, "copy");
  for (size_t metric = 0; metric < strided.size(); ++metric)
    for (size_t head = 0; head < 2; ++head)
      EXPECT_NEAR(strided[metric].second[head], copied[metric].second[head], kRounding);
}

TEST(Metrics, OneToken) {
  const auto one = torch::ones({1, 1, 1});
  const auto values = attention_metrics(one, {}, "one token");
  EXPECT_EQ(values[0].second[0], 0.0);
  EXPECT_NEAR(values[1].second[0], idempotent_gtd({}), kRounding);
  EXPECT_EQ(values[3].second[0], 0.0);
}

std::string message_of(const torch::Tensor& matrices) {
  try {
    attention_metrics(matrices, {}, "layer 2, A");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Metrics, WrongInputIsNamed) {
  auto padded = torch::full({2, 4, 4}, 0.25);
  padded[1][2].zero_();
  EXPECT_NE(message_of(padded).find("layer 2, A: head 1, row 2 sums to 0"), std::string::npos) << message_of(padded);
  auto broken = torch::full({1, 4, 4}, 0.25);
  broken[0][3][1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(message_of(broken).find("head 0, row 3"), std::string::npos) << message_of(broken);
  auto negative = torch::tensor({{{1.5, -0.5}, {0.5, 0.5}}}, torch::kDouble);
  EXPECT_NE(message_of(negative).find("smallest entry -0.5"), std::string::npos) << message_of(negative);
  EXPECT_NE(message_of(torch::ones({1, 2, 3})).find("[1, 2, 3]"), std::string::npos);
  EXPECT_NE(message_of(torch::ones({4, 4})).find("[4, 4]"), std::string::npos);
  EXPECT_NE(message_of(torch::ones({1, 1, 1}, torch::kBFloat16)).find("BFloat16"), std::string::npos);
  EXPECT_NE(message_of(torch::Tensor()).find("no tensor"), std::string::npos);
}

TEST(Metrics, OptionsAreValidated) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NO_THROW(MetricOptions{}.check());
  for (const double discount : {0.0, -0.1, 1.01, nan})
    EXPECT_THROW((MetricOptions{discount, 4, 0.01}.check()), UsageError);
  for (const int64_t hops : {-1, 0, 1, 65}) EXPECT_THROW((MetricOptions{0.9, hops, 0.01}.check()), UsageError);
  for (const double threshold : {-0.01, 1.5, nan}) EXPECT_THROW((MetricOptions{0.9, 4, threshold}.check()), UsageError);
}

TEST(Metrics, OptionsSurviveJson) {
  const MetricOptions options{.gtd_discount = 0.8, .gtd_hops = 6, .sparsity_threshold = 0.05};
  const auto back = io::fields_from_json<MetricOptions>(io::fields_to_json(options), "test");
  EXPECT_EQ(back.gtd_discount, 0.8);
  EXPECT_EQ(back.gtd_hops, 6);
  EXPECT_EQ(back.sparsity_threshold, 0.05);
}

}  // namespace
}  // namespace saobp::analysis
