// The fused kernels against the reference in double: at most twice (gradients: three times) the error that the
// reference in float makes itself, plus a few roundings of the largest value.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cases.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/reference.h"

#include <torch/csrc/autograd/autograd.h>

namespace saobp::attention::testing {
namespace {

struct Case {
  int64_t batch, heads, queries, keys, channels;
  double strength;
  bool exclude_self;
  enum Padding { none, tail, scattered } padding;
  double dropout;
  bool packed;  // transposed views of one packed projection
};

std::string describe(const Case& c) {
  return "shape " + std::to_string(c.batch) + "," + std::to_string(c.heads) + "," + std::to_string(c.queries) + "x" +
         std::to_string(c.keys) + "," + std::to_string(c.channels) + " strength " + std::to_string(c.strength) +
         (c.exclude_self ? "" : " own message kept") + " padding " + std::to_string(c.padding) + " dropout " +
         std::to_string(c.dropout) + (c.packed ? " packed" : "");
}

const Case kCases[] = {
    {2, 2, 128, 128, 64, 0.2, true, Case::none, 0, true},
    {1, 1, 1, 1, 8, 0.2, true, Case::none, 0, false},
    {2, 3, 7, 7, 16, 0.7, true, Case::none, 0, false},
    {2, 1, 65, 65, 32, -0.5, true, Case::tail, 0, true},
    {1, 2, 129, 129, 64, 2.0, true, Case::none, 0.1, true},
    {2, 2, 300, 300, 64, -2.0, true, Case::tail, 0.1, true},
    {1, 1, 300, 300, 128, 5.0, true, Case::none, 0, false},
    {1, 1, 200, 200, 24, -20.0, true, Case::none, 0, false},
    {1, 1, 200, 200, 24, 20.0, true, Case::none, 0, false},
    {2, 2, 64, 64, 7, 0.2, true, Case::scattered, 0.5, true},
    {2, 2, 128, 128, 64, 0.2, false, Case::tail, 0.1, true},
    {1, 2, 150, 150, 40, -3.0, false, Case::none, 0, false},
    {2, 2, 128, 128, 64, 0.0, true, Case::none, 0, true},
    {3, 2, 100, 100, 32, 0.0, true, Case::scattered, 0.2, true},
    {2, 2, 33, 140, 16, 0.4, true, Case::tail, 0.1, false},
    {2, 2, 140, 33, 16, -0.4, true, Case::none, 0, false},
    {1, 1, 1040, 1040, 8, 0.2, true, Case::none, 0.1, false},
    {1, 1, 1040, 1040, 8, 0.0, true, Case::none, 0, false},
    {4, 1, 20, 20, 8, 1.0, true, Case::scattered, 0, false},
    {2, 2, 16, 16, 1, 0.2, true, Case::none, 0, false},
};

AttentionOptions options_of(const Case& c) {
  AttentionOptions options;
  options.strength = c.strength;
  options.exclude_self = c.exclude_self;
  options.dropout = c.dropout;
  options.seed = 1234567;
  if (c.padding == Case::tail) options.key_mask = tail_padding(c.batch, c.keys);
  if (c.padding == Case::scattered) options.key_mask = scattered_padding(c.batch, c.keys);
  return options;
}

Gradients run_reference(const Inputs& in, const AttentionOptions& options, const at::Tensor& upstream,
                        at::ScalarType type) {
  const auto leaf = [&](const at::Tensor& t) { return t.detach().to(type).set_requires_grad(true); };
  const auto query = leaf(in.query), key = leaf(in.key), value = leaf(in.value);
  const auto output = reference_attention(query, key, value, options);
  const auto g = torch::autograd::grad({output}, {query, key, value}, {upstream.to(type)});
  return {output.detach(), g[0], g[1], g[2]};
}

void expect_close(const char* what, const at::Tensor& actual, const at::Tensor& naive, const at::Tensor& exact,
                  double times) {
  const double floor = 3e-7 * exact.abs().max().item<double>() + 1e-7;
  const double error = largest_difference(actual, exact), allowed = times * largest_difference(naive, exact) + floor;
  EXPECT_LE(error, allowed) << what;
  EXPECT_TRUE(actual.isfinite().all().item<bool>()) << what;
}

void expect_kernel_close(const Inputs& in, const AttentionOptions& options, const std::string& target) {
  const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
  const auto exact = run_reference(in, options, upstream, at::kDouble);
  const auto naive = run_reference(in, options, upstream, at::kFloat);
  const auto actual = run(in, options, upstream);
  EXPECT_EQ(last_kernel(), "cpu/" + target);
  EXPECT_EQ(last_backward_kernel(), "cpu/" + target);
  expect_close("output", actual.output, naive.output, exact.output, 2);
  expect_close("query gradient", actual.query, naive.query, exact.query, 3);
  expect_close("key gradient", actual.key, naive.key, exact.key, 3);
  expect_close("value gradient", actual.value, naive.value, exact.value, 3);
}

// Every instruction set that this processor has.
class Kernel : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { cpu::use_target(GetParam()); }
  void TearDown() override { cpu::use_target(""); }
};

TEST_P(Kernel, AgreesWithTheReference) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(describe(c));
    const auto in = c.packed ? packed_inputs(c.batch, c.heads, c.keys, c.channels)
                             : random_inputs(c.batch, c.heads, c.queries, c.keys, c.channels, at::kFloat);
    expect_kernel_close(in, options_of(c), GetParam());
  }
}

// Every query attends to key 3, with a gap that leaves the other keys e^-gap.
Inputs sink_inputs(int64_t length, int64_t channels, double gap) {
  auto in = random_inputs(1, 2, length, length, channels, at::kFloat, 11);
  in.query.select(-1, 0).fill_(std::sqrt(static_cast<float>(channels)));
  in.key.select(-1, 0).fill_(0);
  in.key.select(2, 3).zero_();
  in.key.select(2, 3).select(-1, 0).fill_(static_cast<float>(gap));
  return in;
}

TEST_P(Kernel, SinkHead) {
  for (const double gap : {5.0, 20.0, 80.0, 1000.0}) {
    for (const double strength : {2.0, -2.0, 0.2}) {
      SCOPED_TRACE("gap " + std::to_string(gap) + " strength " + std::to_string(strength));
      AttentionOptions options;
      options.strength = strength;
      expect_kernel_close(sink_inputs(512, 64, gap), options, GetParam());
    }
  }
}

TEST_P(Kernel, DropoutOnASinkHead) {
  AttentionOptions options;
  options.strength = 2;
  options.dropout = 0.2;
  options.seed = 5;
  options.key_mask = tail_padding(1, 512);
  expect_kernel_close(sink_inputs(512, 32, 80), options, GetParam());
}

TEST_P(Kernel, SameBitsInEveryRunAndOnAnyNumberOfThreads) {
  AttentionOptions options;
  options.strength = 0.2;
  options.dropout = 0.1;
  options.key_mask = tail_padding(3, 150);
  const auto in = packed_inputs(3, 4, 150, 32);
  const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
  const int threads = at::get_num_threads();
  const auto first = run(in, options, upstream);
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    const auto again = run(in, options, upstream);
    EXPECT_TRUE(first.output.equal(again.output)) << count;
    EXPECT_TRUE(first.query.equal(again.query)) << count;
    EXPECT_TRUE(first.key.equal(again.key)) << count;
    EXPECT_TRUE(first.value.equal(again.value)) << count;
  }
  at::set_num_threads(threads);
}

TEST_P(Kernel, StridesAreFree) {
  AttentionOptions options;
  options.strength = 0.5;
  const auto in = random_inputs(2, 3, 20, 20, 12, at::kFloat);
  const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
  const auto expected = run(in, options, upstream);
  // Channels not contiguous; rows reversed in memory order of heads; an expanded upstream gradient.
  const auto odd = [](const at::Tensor& t) { return t.transpose(1, 3).contiguous().transpose(1, 3); };
  const auto actual = run({odd(in.query), in.key.expand_as(in.key), odd(in.value)}, options, upstream);
  EXPECT_TRUE(expected.output.equal(actual.output));
  EXPECT_TRUE(expected.key.equal(actual.key));
  const auto ones = at::ones({1, 1, 1, 1});
  EXPECT_TRUE(run(in, options, ones.expand_as(upstream)).query.equal(run(in, options, at::ones_like(upstream)).query));
}

TEST_P(Kernel, NotANumberIsNotSwallowed) {
  for (const double strength : {0.0, 0.2}) {
    AttentionOptions options;
    options.strength = strength;
    auto in = random_inputs(1, 1, 40, 40, 8, at::kFloat);
    in.query[0][0][5][2] = NAN;
    const auto output = refined_attention(in.query, in.key, in.value, options);
    EXPECT_TRUE(output[0][0][5].isnan().all().item<bool>());
    in.query[0][0][5][2] = 0;
    in.key[0][0][39][2] = NAN;
    EXPECT_TRUE(refined_attention(in.query, in.key, in.value, options).isnan().all().item<bool>());
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Kernel, ::testing::ValuesIn(cpu::supported_targets()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace saobp::attention::testing
