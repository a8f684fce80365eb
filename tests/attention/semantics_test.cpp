// What must hold bit for bit: padding takes no part, the future takes no part, dropout's mask is a function of its
// seed.
#include <gtest/gtest.h>

#include <cmath>

#include "cases.h"
#include "saobp/attention/dropout.h"
#include "saobp/attention/reference.h"

namespace saobp::attention::testing {
namespace {

struct Path {
  const char* name;
  at::ScalarType type;
  AttentionOptions options;
};

// Every variant in float (the fused kernel where it applies) and in double (the composite path).
std::vector<Path> paths() {
  std::vector<Path> all;
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (const double strength : {0.0, 0.3, -0.3, 4.0}) {
      AttentionOptions options;
      options.strength = strength;
      all.push_back({"encoder", type, options});
      options.causal = true;
      all.push_back({"causal", type, options});
    }
    AttentionOptions options;
    options.strengths = at::tensor({0.5, -2.0}, at::kDouble);
    all.push_back({"strengths", type, options});
    options.causal = true;
    all.push_back({"causal strengths", type, options});
    options.steps = 2;
    all.push_back({"causal steps", type, options});
    options = {};
    options.strength = 0.3;
    options.leaky_causal = true;
    all.push_back({"leaky", type, options});
    options = {};
    options.elemmul = true;
    all.push_back({"elemmul", type, options});
    options.causal = true;
    all.push_back({"causal elemmul", type, options});
  }
  return all;
}

std::string describe(const Path& path) {
  return std::string(path.name) + " strength " + std::to_string(path.options.strength) +
         (path.type == at::kFloat ? " float" : " double");
}

// Overwrites the rows of padded positions.
at::Tensor with_garbage(const at::Tensor& tensor, const at::Tensor& mask, double garbage) {
  return tensor.masked_fill(mask.logical_not().unsqueeze(1).unsqueeze(-1), garbage);
}

void expect_same_bits(const Gradients& a, const Gradients& b) {
  EXPECT_TRUE(a.output.equal(b.output));
  EXPECT_TRUE(a.query.equal(b.query));
  EXPECT_TRUE(a.key.equal(b.key));
  EXPECT_TRUE(a.value.equal(b.value));
}

TEST(Padding, ContentsOfPaddedPositionsChangeNothing) {
  for (auto path : paths()) {
    for (const auto& mask : {tail_padding(3, 37), scattered_padding(3, 37)}) {
      SCOPED_TRACE(describe(path));
      path.options.key_mask = mask;
      path.options.dropout = 0.1;
      const auto in = random_inputs(3, 2, 37, 37, 8, path.type);
      const auto upstream = normal(in.query.sizes(), 99, path.type);
      const auto expected = run(in, path.options, upstream);
      for (const double garbage : {1e30, -1e30, static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
        const Inputs dirty = {with_garbage(in.query, mask, garbage), with_garbage(in.key, mask, garbage),
                              with_garbage(in.value, mask, garbage)};
        const auto actual = run(dirty, path.options, with_garbage(upstream, mask, 1e30));
        expect_same_bits(expected, actual);
        for (const auto& t : {actual.output, actual.query, actual.key, actual.value}) {
          EXPECT_TRUE(t.isfinite().all().item<bool>());
          EXPECT_EQ(t.masked_select(mask.logical_not().unsqueeze(1).unsqueeze(-1)).abs().sum().item<double>(), 0);
        }
      }
    }
  }
}

TEST(Padding, MorePaddingChangesRealRowsByRoundingOnly) {
  for (auto path : paths()) {
    SCOPED_TRACE(describe(path));
    const auto in = random_inputs(2, 2, 21, 21, 8, path.type);
    const auto upstream = normal(in.query.sizes(), 99, path.type);
    const auto expected = run(in, path.options, upstream);
    const auto longer = [](const at::Tensor& t) { return at::constant_pad_nd(t, {0, 0, 0, 50}, 3.0); };
    path.options.key_mask = at::arange(71).lt(21).expand({2, 71});
    const auto actual = run({longer(in.query), longer(in.key), longer(in.value)}, path.options, longer(upstream));
    const double tolerance = path.type == at::kFloat ? 2e-5 : 1e-12;
    const auto real = [](const at::Tensor& t) { return t.narrow(2, 0, 21); };
    EXPECT_LT(largest_difference(real(actual.output), expected.output), tolerance);
    EXPECT_LT(largest_difference(real(actual.query), expected.query), tolerance);
    EXPECT_LT(largest_difference(real(actual.key), expected.key), tolerance);
    EXPECT_LT(largest_difference(real(actual.value), expected.value), tolerance);
  }
}

// Whether the outputs before token `changed` keep their bits when that token's query, key and value change.
bool keeps_the_past(const Inputs& in, const AttentionOptions& options, int64_t changed) {
  Inputs other = {in.query.clone(), in.key.clone(), in.value.clone()};
  for (auto& t : {other.query, other.key, other.value}) t.select(2, changed).mul_(-7).add_(1);
  const auto expected = refined_attention(in.query, in.key, in.value, options);
  const auto actual = refined_attention(other.query, other.key, other.value, options);
  EXPECT_FALSE(actual.select(2, changed).equal(expected.select(2, changed))) << changed;
  return actual.narrow(2, 0, changed).equal(expected.narrow(2, 0, changed));
}

TEST(Causal, TheFutureChangesNothing) {
  for (auto path : paths()) {
    if (!path.options.causal) continue;
    for (const int64_t key_heads : {2, 1}) {
      for (const double dropout : {0.0, 0.2}) {
        SCOPED_TRACE(describe(path) + " key heads " + std::to_string(key_heads) + " dropout " +
                     std::to_string(dropout));
        path.options.dropout = dropout;
        const auto in = grouped_inputs(2, 2, key_heads, 70, 8, path.type);
        for (const int64_t changed : {1, 33, 69}) EXPECT_TRUE(keeps_the_past(in, path.options, changed)) << changed;
      }
    }
  }
}

TEST(Causal, TheLeakyFormSeesTheFuture) {
  for (const auto& path : paths()) {
    if (!path.options.leaky_causal) continue;
    SCOPED_TRACE(describe(path));
    const auto in = random_inputs(2, 2, 70, 70, 8, path.type);
    for (const int64_t changed : {33, 69}) EXPECT_FALSE(keeps_the_past(in, path.options, changed)) << changed;
  }
}

TEST(Causal, TheFirstRowSeesItselfOnly) {
  AttentionOptions options;
  options.strength = 0.7;
  options.causal = true;
  const auto in = random_inputs(1, 2, 9, 9, 4);
  EXPECT_LT(
      largest_difference(refined_attention(in.query, in.key, in.value, options).select(2, 0), in.value.select(2, 0)),
      1e-15);
}

TEST(Dropout, MaskFollowsTheGenerator) {
  const int64_t heads = 3, queries = 5, keys = 70, seed = -987654321;
  const auto factors = dropout_factors(2, heads, queries, keys, 0.3, seed, at::TensorOptions(at::kDouble));
  for (int64_t head = 0; head < 2 * heads; ++head) {
    for (int64_t i = 0; i < queries; ++i) {
      const uint64_t key = dropout_row_key(static_cast<uint64_t>(seed), head, i);
      for (int64_t k = 0; k < keys; ++k) {
        const double expected = dropout_bits(key, static_cast<uint32_t>(k)) < dropout_threshold(0.3) ? 0 : 1 / 0.7;
        ASSERT_EQ(factors[head / heads][head % heads][i][k].item<double>(), expected);
      }
    }
  }
}

// Rates by row, column and head, and agreement of neighbours, within five standard errors.
TEST(Dropout, MaskLooksIndependent) {
  const double p = 0.1;
  const int64_t n = 400;
  const auto dropped = dropout_factors(2, 3, n, n, p, 3, at::TensorOptions(at::kDouble)).eq(0).to(at::kDouble);
  const auto off = [&](const at::Tensor& mean, double expected, double count) {
    const double error = std::sqrt(expected * (1 - expected) / count);
    return (mean - expected).abs().max().item<double>() / error;
  };
  EXPECT_LT(off(dropped.mean({2, 3}), p, n * n), 5);
  EXPECT_LT(off(dropped.mean({0, 1, 3}), p, 6 * n), 5);
  EXPECT_LT(off(dropped.mean({0, 1, 2}), p, 6 * n), 5);
  const auto both = [&](const at::Tensor& a, const at::Tensor& b) { return off((a * b).mean(), p * p, a.numel()); };
  EXPECT_LT(both(dropped.narrow(3, 0, n - 1), dropped.narrow(3, 1, n - 1)), 5);
  EXPECT_LT(both(dropped.narrow(2, 0, n - 1), dropped.narrow(2, 1, n - 1)), 5);
  EXPECT_LT(both(dropped.select(1, 0), dropped.select(1, 1)), 5);
  const auto other = dropout_factors(2, 3, n, n, p, 4, at::TensorOptions(at::kDouble)).eq(0).to(at::kDouble);
  EXPECT_LT(both(dropped, other), 5);
}

}  // namespace
}  // namespace saobp::attention::testing
