// The composite path in double against Algorithm 1 as loops.
#include <gtest/gtest.h>

#include <cmath>

#include "cases.h"
#include "oracle.h"
#include "saobp/attention/reference.h"

namespace saobp::attention::testing {
namespace {

std::vector<AttentionOptions> variants(int64_t heads = 2) {
  std::vector<AttentionOptions> all;
  for (const double strength : {0.0, 0.2, 3.0, -0.2, -3.0}) {
    for (const bool exclude_self : {true, false}) {
      for (const bool causal : {false, true}) {
        AttentionOptions options;
        options.strength = strength;
        options.exclude_self = exclude_self;
        options.causal = causal;
        all.push_back(options);
      }
    }
  }
  const auto per_head = at::tensor({0.7, -1.5, 0.0, 3.0}, at::kDouble).slice(0, 0, heads);
  for (const auto& strengths : {per_head, at::tensor({0.4f}), at::tensor({20.0f})}) {
    for (const bool causal : {false, true}) {
      AttentionOptions options;
      options.strengths = strengths;
      options.causal = causal;
      all.push_back(options);
    }
  }
  for (const int form : {0, 1, 2, 3}) {
    AttentionOptions options;
    options.strength = form == 1 ? -3.0 : 2.0;
    options.strength_length = 3;
    options.exclude_self = form != 2;
    options.causal = form >= 2;
    all.push_back(options);
    options.steps = 2;
    all.push_back(options);
    options.causal = false, options.leaky_causal = true;
    all.push_back(options);
  }
  for (const bool exclude_self : {true, false}) {
    AttentionOptions leaky;
    leaky.leaky_causal = true;
    leaky.strength = 0.6;
    leaky.exclude_self = exclude_self;
    all.push_back(leaky);
    for (const bool causal : {false, true}) {
      AttentionOptions options = leaky;
      options.leaky_causal = !causal && exclude_self;
      options.causal = causal;
      options.steps = causal ? 3 : 2;
      options.strength = causal ? -0.9 : 0.6;
      all.push_back(options);
    }
  }
  for (const bool causal : {false, true}) {
    AttentionOptions options;
    options.elemmul = true;
    options.causal = causal;
    all.push_back(options);
  }
  return all;
}

std::string describe(const AttentionOptions& o) {
  return "strength " + std::to_string(o.strength) + (o.exclude_self ? "" : " own message kept") +
         (o.causal ? " causal" : "") + (o.leaky_causal ? " leaky" : "") + " steps " + std::to_string(o.steps) +
         (o.strengths ? " of " + std::to_string(o.strengths->numel()) + " heads" : "") + (o.elemmul ? " elemmul" : "");
}

void expect_equals_oracle(const Inputs& in, const AttentionOptions& options) {
  SCOPED_TRACE(describe(options));
  at::Tensor factors;
  if (options.dropout > 0) {
    factors = dropout_factors(in.query.size(0), in.query.size(1), in.query.size(2), in.key.size(2), options.dropout,
                              options.seed, in.query.options());
  }
  const auto expected = oracle(in.query, in.key, in.value, options, factors);
  const auto [attention, refined] = attention_matrices(in.query, in.key, options);
  EXPECT_LT(largest_difference(attention, expected.attention), 1e-13);
  EXPECT_LT(largest_difference(refined, expected.refined), 1e-13);
  EXPECT_LT(largest_difference(refined_attention(in.query, in.key, in.value, options), expected.output), 1e-12);
  EXPECT_EQ(last_kernel(), "composite");
}

TEST(Reference, EqualsAlgorithm1) {
  for (const int64_t length : {1, 2, 7, 12}) {
    const auto in = random_inputs(2, 2, length, length, 5);
    for (const auto& options : variants()) expect_equals_oracle(in, options);
  }
}

TEST(Reference, EqualsAlgorithm1WithPadding) {
  const auto in = random_inputs(3, 2, 9, 9, 4);
  for (auto options : variants()) {
    options.key_mask = tail_padding(3, 9);
    expect_equals_oracle(in, options);
    options.key_mask = scattered_padding(3, 9);
    expect_equals_oracle(in, options);
    options.query_mask = tail_padding(3, 9);
    expect_equals_oracle(in, options);
  }
}

TEST(Reference, EqualsAlgorithm1WithDropout) {
  const auto in = random_inputs(2, 3, 8, 8, 4);
  for (auto options : variants(3)) {
    options.dropout = 0.3;
    options.seed = 42;
    options.key_mask = tail_padding(2, 8);
    expect_equals_oracle(in, options);
  }
}

TEST(Reference, CrossAttentionTakesItsOwnLengths) {
  const auto in = random_inputs(2, 2, 5, 11, 4);
  for (auto options : variants()) {
    if (options.causal || options.leaky_causal || options.elemmul) continue;
    options.key_mask = tail_padding(2, 11);
    expect_equals_oracle(in, options);
    options.query_mask = tail_padding(2, 5);
    expect_equals_oracle(in, options);
  }
}

TEST(Reference, GroupedHeadsShareTheirKeysAndValues) {
  for (auto options : variants(4)) {
    for (const int64_t key_heads : {1, 2}) {
      options.key_mask = tail_padding(2, 7);
      options.dropout = 0.2;
      expect_equals_oracle(grouped_inputs(2, 4, key_heads, 7, 5), options);
    }
  }
}

// −Σ x log x and Σ x² of each row, as loops.
std::pair<double, double> row_statistics(const at::Tensor& row) {
  double entropy = 0, square = 0;
  for (int64_t k = 0; k < row.size(0); ++k) {
    const double x = row[k].item<double>();
    if (x > 0) entropy -= x * std::log(x);
    square += x * x;
  }
  return {entropy, square};
}

void expect_statistics(const at::Tensor& matrix, const at::Tensor& entropy, const at::Tensor& squared_norm) {
  ASSERT_EQ(entropy.sizes(), matrix.sizes().slice(0, 3));
  for (int64_t b = 0; b < matrix.size(0); ++b) {
    for (int64_t h = 0; h < matrix.size(1); ++h) {
      for (int64_t j = 0; j < matrix.size(2); ++j) {
        const auto [expected_entropy, expected_norm] = row_statistics(matrix[b][h][j]);
        ASSERT_NEAR(entropy[b][h][j].item<double>(), expected_entropy, 1e-12);
        ASSERT_NEAR(squared_norm[b][h][j].item<double>(), expected_norm, 1e-12);
      }
    }
  }
}

TEST(Reference, StatisticsAreThoseOfTheOraclesMatrices) {
  const auto in = random_inputs(3, 2, 7, 7, 5);
  for (auto options : variants()) {
    SCOPED_TRACE(describe(options));
    options.key_mask = scattered_padding(3, 7);
    options.dropout = 0.3;
    const auto expected = oracle(in.query, in.key, in.value, options);
    const auto query = in.query.detach().set_requires_grad(true);
    const auto result = refined_attention_with_statistics(query, in.key, in.value, options);
    EXPECT_TRUE(result.output.equal(refined_attention(in.query, in.key, in.value, options)));
    EXPECT_TRUE(result.output.requires_grad());
    EXPECT_FALSE(result.entropy_a.requires_grad());
    expect_statistics(expected.attention, result.entropy_a, result.squared_norm_a);
    EXPECT_EQ(result.entropy_b.defined(), !options.elemmul);
    EXPECT_EQ(result.squared_norm_b.defined(), !options.elemmul);
    if (!options.elemmul) expect_statistics(expected.refined, result.entropy_b, result.squared_norm_b);
  }
}

}  // namespace
}  // namespace saobp::attention::testing
