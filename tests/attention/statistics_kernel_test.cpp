// The statistics that the fused kernels make in their sweeps, against those of the matrices in double: at most three
// times (they magnify the weights' own error, as gradients do) the error that the reference in float makes itself, by
// the yardstick of yardstick.h.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "cases.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/reference.h"
#include "yardstick.h"

namespace saobp::attention::testing {
namespace {

struct Case {
  int64_t batch, heads, length, channels;
  double strength;
  bool exclude_self;
  enum Padding { none, tail, scattered } padding;
  double dropout;
  double spread;  // of the queries: at 8 rows look at one key
};

const Case kCases[] = {
    {1, 1, 1, 8, 0.2, true, Case::none, 0, 1},         {2, 2, 65, 32, 0.2, true, Case::tail, 0.1, 1},
    {2, 2, 300, 64, 2.0, true, Case::none, 0, 1},      {1, 2, 300, 64, -2.0, false, Case::none, 0.1, 3},
    {2, 2, 128, 64, 0.0, true, Case::scattered, 0, 1}, {1, 1, 1100, 16, 0.2, true, Case::none, 0.2, 1},
    {1, 2, 200, 24, 20.0, true, Case::none, 0, 8},     {1, 2, 200, 24, -20.0, true, Case::none, 0, 1},
};

AttentionOptions options_of(const Case& c, bool causal, bool elemmul) {
  AttentionOptions options;
  options.elemmul = elemmul;
  options.strength = elemmul ? 0 : c.strength;
  options.exclude_self = c.exclude_self;
  options.causal = causal;
  options.dropout = c.dropout;
  if (c.padding == Case::tail) options.key_mask = tail_padding(c.batch, c.length);
  if (c.padding == Case::scattered) options.key_mask = scattered_padding(c.batch, c.length);
  return options;
}

at::Tensor statistics_of(const Inputs& in, const AttentionOptions& options, at::ScalarType type, uint64_t order = 0) {
  const Reordered r(in.query.to(type), in.key.to(type), in.value.to(type), options, order);
  const auto [a, b] = reference_matrices(r.in.query, r.in.key, r.options);
  std::vector<at::Tensor> rows;
  for (const auto& matrix : {a, b}) {
    rows.push_back(at::special_entr(matrix).sum(-1));
    rows.push_back(matrix.square().sum(-1));
  }
  if (options.elemmul) rows.resize(2);
  return r.rows_back(at::stack(rows), 3);
}

// Of each statistic: three times the largest error of the reference in float over several orders, and a few roundings
// of what is summed: entropies are differences of logarithms of up to 10.
std::vector<double> allowed_errors(const Inputs& in, const AttentionOptions& options, const at::Tensor& exact) {
  std::vector<double> allowed(exact.size(0), 0);
  for (uint64_t seed = 0; seed < kOrders; ++seed) {
    const auto plain = statistics_of(in, options, at::kFloat, seed);
    for (size_t n = 0; n < allowed.size(); ++n)
      allowed[n] = std::max(allowed[n], 3 * largest_difference(plain[n], exact[n]));
  }
  for (size_t n = 0; n < allowed.size(); ++n) allowed[n] += n % 2 == 0 ? 6e-6 : 2e-6;
  return allowed;
}

// On every instruction set that this processor has.
void expect_close(const Inputs& in, const AttentionOptions& options) {
  const auto exact = statistics_of(in, options, at::kDouble);
  const auto allowed = allowed_errors(in, options, exact);
  const auto with_statistics = fused_attention_with_statistics;
  for (const auto& target : cpu::supported_targets()) {
    SCOPED_TRACE(target);
    cpu::use_target(target);
    const auto [output, statistics] = with_statistics(in.query, in.key, in.value, options);
    ASSERT_EQ(statistics.sizes(), exact.sizes());
    for (int64_t n = 0; n < exact.size(0); ++n) EXPECT_LE(largest_difference(statistics[n], exact[n]), allowed[n]) << n;
    const auto plain = fused_attention(in.query, in.key, in.value, options);
    EXPECT_TRUE(output.equal(plain));
  }
  cpu::use_target("");
}

TEST(StatisticsKernelAccuracy, AgreesWithTheMatrices) {
  for (const Case& c : kCases) {
    for (const bool causal : {false, true}) {
      for (const bool elemmul : {false, true}) {
        SCOPED_TRACE("length " + std::to_string(c.length) + " strength " + std::to_string(c.strength) +
                     (causal ? " causal" : "") + (elemmul ? " elemmul" : ""));
        auto in = packed_inputs(c.batch, c.heads, c.length, c.channels);
        in.query = in.query * c.spread;
        expect_close(in, options_of(c, causal, elemmul));
      }
    }
  }
}

class Statistics : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { cpu::use_target(GetParam()); }
  void TearDown() override { cpu::use_target(""); }
};

TEST_P(Statistics, HaveNoGradientAndLeaveTheOutputsAlone) {
  const Case& c = kCases[1];
  auto in = packed_inputs(c.batch, c.heads, c.length, c.channels);
  const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
  for (const bool elemmul : {false, true}) {
    const auto options = options_of(c, false, elemmul);
    const auto query = in.query.detach().set_requires_grad(true);
    const auto [output, statistics] = fused_attention_with_statistics(query, in.key, in.value, options);
    EXPECT_FALSE(statistics.requires_grad());
    const auto gradient = torch::autograd::grad({output}, {query}, {upstream})[0];
    const auto plain = fused_attention(query, in.key, in.value, options);
    EXPECT_TRUE(gradient.equal(torch::autograd::grad({plain}, {query}, {upstream})[0]));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Statistics, ::testing::ValuesIn(cpu::supported_targets()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace saobp::attention::testing
