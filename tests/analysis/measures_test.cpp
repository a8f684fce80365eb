#include "saobp/analysis/measure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "saobp/model/libtorch.h"
#include "tests/analysis/tools.h"
#include "tests/tools.h"

namespace saobp::analysis {
namespace {

using testing::value;
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

TEST(Measures, IdempotentGtdIsTheLineOfTheMethod) {
  const MeasureOptions options;
  EXPECT_NEAR(indirect_weight(options), 0.9 + 0.81 + 0.729, 1e-15);
  EXPECT_NEAR(idempotent_gtd(options), 5.948721 / 6.948721, 1e-15);
  EXPECT_NEAR(idempotent_gtd(options), 0.856, 5e-4);
  MeasureOptions two;
  two.gtd_hops = 2;
  EXPECT_NEAR(idempotent_gtd(two), 0.81 / 1.81, 1e-15);
}

TEST(Measures, UniformAttention) {
  const int64_t length = 150;  // 1/150 is below the threshold of 0.01
  const auto uniform = torch::full({2, length, length}, 1.0 / length, torch::kDouble);
  for (int64_t head = 0; head < 2; ++head) {
    EXPECT_NEAR(value("attention_entropy", uniform)[head], std::log(length), kRounding);
    EXPECT_NEAR(value("indirect_entropy", uniform, {})[head], std::log(length), kRounding);
    EXPECT_NEAR(value("gtd", uniform, {})[head], idempotent_gtd({}), kRounding);
    EXPECT_EQ(value("sparsity", uniform, {})[head], 1.0);
  }
}

TEST(Measures, IdentityAndSinkSitOnTheSameGtdAsUniform) {
  const int64_t length = 12;
  const auto identity = torch::eye(length, torch::kDouble).unsqueeze(0);
  auto sink = torch::zeros({1, length, length}, torch::kDouble);
  sink.select(-1, 3).fill_(1);
  for (const auto& matrices : {identity, sink})
    for (const int64_t hops : {2, 3, 4, 5, 9}) {
      MeasureOptions options;
      options.gtd_hops = hops;
      EXPECT_NEAR(value("gtd", matrices, options)[0], idempotent_gtd(options), kRounding) << hops << " hops";
      EXPECT_EQ(value("attention_entropy", matrices)[0], 0.0);
      EXPECT_NEAR(value("indirect_entropy", matrices, options)[0], 0.0, kRounding);
      EXPECT_NEAR(value("sparsity", matrices, options)[0], 1 - 1.0 / length, kRounding);
    }
}

TEST(Measures, CyclicPermutation) {
  // A², A³ and A⁴ of a cycle of five are disjoint permutations: ‖G‖² = L(β² + β⁴ + β⁶), and each row of G holds β, β²,
  // β³.
  const auto cycle = torch::roll(torch::eye(5, torch::kDouble), 1, 1).unsqueeze(0);
  const double g = 0.81 + 0.6561 + 0.531441, b = 2.439;
  EXPECT_NEAR(value("gtd", cycle, {})[0], g / (1 + g), kRounding);
  double entropy = 0;
  for (double weight : {0.9, 0.81, 0.729}) entropy -= weight / b * std::log(weight / b);
  EXPECT_NEAR(value("indirect_entropy", cycle, {})[0], entropy, kRounding);
  EXPECT_EQ(value("attention_entropy", cycle)[0], 0.0);
}

TEST(Measures, AgreeWithLoopsForEveryNumberOfHops) {
  torch::manual_seed(7);
  const auto matrices = random_attention(3, 17, 3.0);
  for (const double discount : {0.3, 0.9, 1.0})
    for (int64_t hops = 2; hops <= 8; ++hops) {
      MeasureOptions options{.gtd_discount = discount, .gtd_hops = hops, .sparsity_threshold = 0.02};
      for (int64_t head = 0; head < 3; ++head) {
        const Matrix a = head_of(matrices, head);
        const Matrix g = loops::indirect(a, discount, hops);
        const std::pair<const char*, double> expected[] = {
            {"attention_entropy", loops::entropy(a)},
            {"gtd", loops::squares(g) / (loops::squares(a) + loops::squares(g))},
            {"indirect_entropy", loops::entropy(g)},
            {"sparsity", loops::sparsity(a, 0.02)}};
        for (const auto& [name, wanted] : expected)
          EXPECT_NEAR(value(name, matrices, options)[static_cast<size_t>(head)], wanted, kRounding)
              << name << ", head " << head << ", " << hops << " hops, discount " << discount;
      }
    }
}

TEST(Measures, IndirectAttentionIsTheSumOfPowers) {
  torch::manual_seed(11);
  const auto matrices = random_attention(2, 9, 2.0);
  for (int64_t hops = 2; hops <= 7; ++hops) {
    MeasureOptions options;
    options.gtd_hops = hops;
    const auto indirect = indirect_attention(matrices, options);
    for (int64_t head = 0; head < 2; ++head) {
      const Matrix expected = loops::indirect(head_of(matrices, head), 0.9, hops), found = head_of(indirect, head);
      for (size_t i = 0; i < 9; ++i)
        for (size_t j = 0; j < 9; ++j) ASSERT_NEAR(found[i][j], expected[i][j], kRounding) << hops << " hops";
    }
  }
}

// Sums of L numbers below 1 in float32, or products of such sums: an error of at most some multiples of L · 2^-24.
TEST(Measures, FloatIsCloseToDouble) {
  torch::manual_seed(3);
  const auto matrices = random_attention(2, 90, 4.0);
  for (const auto& measure : all_measures()) {
    if (!measure.of_attention() || measure.cost == Cost::graph) continue;
    const auto exact = value(measure.name, matrices), single = value(measure.name, matrices.to(torch::kFloat));
    for (size_t head = 0; head < exact.size(); ++head) {
      if (std::isnan(exact[head])) {
        EXPECT_TRUE(std::isnan(single[head])) << measure.name;
        continue;
      }
      EXPECT_NEAR(single[head], exact[head], 1e-4 * std::max(1.0, std::abs(exact[head]))) << measure.name;
    }
  }
}

TEST(Measures, StridedInput) {
  torch::manual_seed(5);
  const auto wide = torch::softmax(torch::randn({2, 8, 8, 3}, torch::kDouble), 2);
  const auto view = wide.select(-1, 1);
  ASSERT_FALSE(view.is_contiguous());
  for (const auto& measure : all_measures()) {
    if (!measure.of_attention()) continue;
    const auto strided = value(measure.name, view), copied = value(measure.name, view.contiguous());
    for (size_t head = 0; head < strided.size(); ++head)
      EXPECT_TRUE(std::isnan(copied[head]) || std::abs(strided[head] - copied[head]) <= 1e-9) << measure.name;
  }
}

TEST(Measures, OneToken) {
  const auto one = torch::ones({1, 1, 1});
  EXPECT_EQ(value("attention_entropy", one)[0], 0.0);
  EXPECT_NEAR(value("gtd", one)[0], idempotent_gtd({}), 1e-6);
  EXPECT_EQ(value("sparsity", one)[0], 0.0);
  EXPECT_EQ(value("tokenrank_max", one)[0], 1.0);
  for (const char* name : {"second_eigenvalue", "mixing_hops", "normalized_entropy", "previous_share", "next_share",
                           "head_distance", "clustering"})
    EXPECT_TRUE(std::isnan(value(name, one)[0])) << name;
}

// LAPACK's iteration for eigenvalues fails on some of these, at sizes that differ from one build of it to another.
TEST(Measures, EigenvaluesOfRowsThatAreAllAlike) {
  for (int64_t length = 2; length <= 130; ++length) {
    const auto uniform = torch::full({1, length, length}, 1.0 / length);
    const int64_t some = (length + 1) / 2;
    auto half = torch::zeros({1, length, length});
    half.narrow(-1, 0, some).fill_(1.0 / static_cast<double>(some));
    for (const auto& matrices : {uniform, half}) {
      EXPECT_LT(value("second_eigenvalue", matrices)[0], 1e-3) << length;
      EXPECT_NEAR(value("tokenrank_max", matrices)[0], matrices[0][0][0].item<double>(), 1e-6) << length;
    }
  }
}

TEST(Measures, SinkUniformAndIdentity) {
  const int64_t length = 30;
  auto sink = torch::zeros({1, length, length}, torch::kDouble);
  sink.select(-1, 3).fill_(1);
  const auto identity = torch::eye(length, torch::kDouble).unsqueeze(0);
  const auto uniform = torch::full({1, length, length}, 1.0 / length, torch::kDouble);
  const struct {
    const char* name;
    double sink, identity, uniform;
  } expected[] = {{"idempotence_defect", 0, 0, 0},
                  {"normalized_entropy", 0, 0, 1},
                  {"top_key_share", 1, 1.0 / length, 1.0 / length},
                  {"sink_rate", 1, 0, 0},
                  {"column_entropy", 0, std::log(length), std::log(length)},
                  {"column_gini", 1 - 1.0 / length, 0, 0},
                  {"self_share", 1.0 / length, 1, 1.0 / length},
                  {"tokenrank_max", 1, 1.0 / length, 1.0 / length},
                  {"second_eigenvalue", 0, 1, 0},
                  {"effective_rank", 1, length, 1},
                  {"stable_rank", 1, length, 1},
                  {"rank_90", 1, 27, 1}};
  for (const auto& [name, of_sink, of_identity, of_uniform] : expected) {
    EXPECT_NEAR(value(name, sink)[0], of_sink, 1e-6) << name << " of a sink";
    EXPECT_NEAR(value(name, identity)[0], of_identity, 1e-6) << name << " of the identity";
    EXPECT_NEAR(value(name, uniform)[0], of_uniform, 1e-6) << name << " of uniform attention";
  }
  EXPECT_TRUE(std::isnan(value("mixing_hops", identity)[0]));
}

// Matrices with few large eigenvalues, which settle at once, and such as hardly do; held against all eigenvalues.
TEST(Measures, ChainsOfEveryLength) {
  torch::manual_seed(9);
  for (const int64_t length : {2, 5, 40, 41, 70, 90, 150, 260})
    for (const double temperature : {0.5, 3.0, 12.0}) {
      auto matrices = random_attention(2, length, temperature);
      matrices[1] = 0.9 * torch::roll(torch::eye(length, torch::kDouble), 1, 1) + 0.1 * matrices[1];
      const auto values = torch::linalg_eigvals(matrices).abs();
      const auto second = std::get<0>(values.sort(-1, /*descending=*/true)).select(-1, 1);
      auto power = matrices;
      for (int i = 0; i < 30; ++i) power = torch::bmm(power, power);
      const auto rank = power.select(1, 0).amax(-1);
      for (int64_t head = 0; head < 2; ++head) {
        const auto at = static_cast<size_t>(head);
        EXPECT_NEAR(value("second_eigenvalue", matrices)[at], second[head].item<double>(), 1e-3) << length;
        EXPECT_NEAR(value("tokenrank_max", matrices)[at], rank[head].item<double>(), 1e-3) << length;
      }
    }
}

// Two parts that hardly look at each other have the eigenvalue 1 nearly twice, which vectors from one start cannot see.
TEST(Measures, ChainsInTwoParts) {
  for (const int64_t length : {64, 128, 300})
    for (const double scale : {1.0, 2.0, 3.0})
      for (const bool in_turn : {false, true}) {
        torch::manual_seed(length);
        const auto places = torch::arange(length);
        const auto part = in_turn ? places % 2 : (places >= length / 2).to(torch::kLong);
        const auto apart = part.unsqueeze(0) != part.unsqueeze(1);
        const auto scores = scale * torch::randn({length, length}, torch::kDouble) - 20 * apart.to(torch::kDouble);
        const auto matrices = torch::softmax(scores, -1).unsqueeze(0);
        EXPECT_NEAR(value("second_eigenvalue", matrices)[0], 1, 1e-3) << length << ", " << scale << ", " << in_turn;
      }
}

// Rows in float do not sum to one, which long walks must not make large: of two tokens that look at themselves alone,
// and others that look at both.
TEST(Measures, RanksAreShares) {
  const int64_t length = 40;
  for (const float sum : {1 - 3e-7F, 1 + 3e-7F}) {
    auto matrix = torch::zeros({1, length, length});
    matrix.select(-1, 0).fill_(0.75F * sum), matrix.select(-1, 1).fill_(0.25F * sum);
    for (int64_t token = 0; token < 2; ++token) {
      matrix[0][token].zero_();
      matrix[0][token][token] = sum;
    }
    const double share = (0.75 * (length - 2) + 1) / length;
    EXPECT_NEAR(value("tokenrank_max", matrix)[0], share, 1e-5);
  }
}

TEST(Measures, CausalChainsEndInTheFirstToken) {
  torch::manual_seed(10);
  auto matrices = torch::randn({2, 12, 12}, torch::kDouble).exp().tril();
  matrices = matrices / matrices.sum(-1, true);
  const auto diagonal = matrices.diagonal(0, 1, 2).narrow(1, 1, 11).amax(-1);
  EXPECT_EQ(value("tokenrank_max", matrices, {}, true)[0], 1.0);
  EXPECT_EQ(value("second_eigenvalue", matrices, {}, true)[1], diagonal[1].item<double>());
  EXPECT_TRUE(std::isnan(value("next_share", matrices, {}, true)[0]));
}

// F(T) is the number that networkx gives for this graph: a triangle with a tail, weights 0.5 · (a + b).
TEST(Measures, GraphOfATriangleWithATail) {
  auto a = torch::zeros({1, 4, 4}, torch::kDouble);
  a[0] = torch::tensor({{0.2, 0.4, 0.4, 0.0}, {0.5, 0.2, 0.3, 0.0}, {0.3, 0.3, 0.1, 0.3}, {0.0, 0.0, 0.6, 0.4}},
                       torch::kDouble);
  // Of node 2: neighbours 0, 1 and 3 with 0.35, 0.3 and 0.45; one triangle, counted from both sides:
  // (0.35 + 0.3) / (1.1 · 2). Nodes 0 and 1 have 1; node 3 has one neighbour, and none.
  EXPECT_NEAR(value("clustering", a)[0], (1 + 1 + 0.65 / 2.2) / 3, 1e-12);
  EXPECT_NEAR(value("betweenness", a)[0], 2.0 / 4, 1e-12);  // 0–3 and 1–3 go over node 2
  MeasureOptions none;
  none.graph_threshold = 0.9;
  EXPECT_TRUE(std::isnan(value("clustering", a, none)[0]));
  EXPECT_EQ(value("betweenness", a, none)[0], 0.0);
}

std::string message_of(const torch::Tensor& matrices) {
  try {
    check_attention_matrices(matrices, "layer 2, A");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Measures, WrongInputIsNamed) {
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

TEST(Measures, OptionsAreValidated) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NO_THROW(MeasureOptions{}.check());
  for (const double discount : {0.0, -0.1, 1.01, nan})
    EXPECT_THROW((MeasureOptions{.gtd_discount = discount}.check()), UsageError);
  for (const int64_t hops : {-1, 0, 1, 65}) EXPECT_THROW((MeasureOptions{.gtd_hops = hops}.check()), UsageError);
  for (const double threshold : {-0.01, 1.5, nan})
    EXPECT_THROW((MeasureOptions{.sparsity_threshold = threshold}.check()), UsageError);
}

TEST(Measures, OptionsSurviveJson) {
  const MeasureOptions options{.gtd_discount = 0.8, .gtd_hops = 6, .sparsity_threshold = 0.05};
  const auto back = io::fields_from_json<MeasureOptions>(io::fields_to_json(options), "test");
  EXPECT_EQ(back.gtd_discount, 0.8);
  EXPECT_EQ(back.gtd_hops, 6);
  EXPECT_EQ(back.sparsity_threshold, 0.05);
}

TEST(Measures, AreFoundByName) {
  EXPECT_EQ(find_measures("all").size(), all_measures().size());
  for (const auto* measure : find_measures("")) EXPECT_EQ(measure->cost, Cost::products) << measure->name;
  const auto two = find_measures("gtd,qk_trace");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1]->name, "qk_trace");
  EXPECT_NE(tests::error_of([] { find_measures("gdt"); }).find("did you mean gtd?"), std::string::npos)
      << tests::error_of([] { find_measures("gdt"); });
  EXPECT_NE(tests::error_of([] { find_measures("gtd,gtd"); }).find("twice"), std::string::npos);
  for (const auto& measure : all_measures()) {
    const int functions = (measure.rows != nullptr) + (measure.heads != nullptr) + (measure.states != nullptr) +
                          (measure.weights != nullptr);
    EXPECT_EQ(functions, 1) << measure.name;
    EXPECT_LE(measure.heading.size(), 14u) << measure.name;  // bytes of some signs
  }
}

}  // namespace
}  // namespace saobp::analysis
