// The composite path in double against Algorithm 1 as loops.
#include <gtest/gtest.h>

#include "cases.h"
#include "oracle.h"
#include "saobp/attention/reference.h"

namespace saobp::attention::testing {
namespace {

std::vector<AttentionOptions> variants() {
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
         (o.causal ? " causal" : "") + (o.elemmul ? " elemmul" : "");
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
  for (auto options : variants()) {
    options.dropout = 0.3;
    options.seed = 42;
    options.key_mask = tail_padding(2, 8);
    expect_equals_oracle(in, options);
  }
}

TEST(Reference, CrossAttentionTakesItsOwnLengths) {
  const auto in = random_inputs(2, 2, 5, 11, 4);
  for (auto options : variants()) {
    if (options.causal || options.elemmul) continue;
    options.key_mask = tail_padding(2, 11);
    expect_equals_oracle(in, options);
    options.query_mask = tail_padding(2, 5);
    expect_equals_oracle(in, options);
  }
}

}  // namespace
}  // namespace saobp::attention::testing
