// The fused ElemMul kernels: accuracy, by the yardstick of yardstick.h, and what they keep bit for bit.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/reference.h"
#include "yardstick.h"

namespace saobp::attention::testing {
namespace {

struct Case {
  int64_t batch, heads, key_heads, length, channels;
  enum Padding { none, tail, scattered, queries_apart } padding;
  double dropout;
};

std::string describe(const Case& c, bool causal) {
  return "shape " + std::to_string(c.batch) + "," + std::to_string(c.heads) + "/" + std::to_string(c.key_heads) + "," +
         std::to_string(c.length) + "," + std::to_string(c.channels) + " padding " + std::to_string(c.padding) +
         " dropout " + std::to_string(c.dropout) + (causal ? " causal" : "");
}

const Case kCases[] = {
    {1, 1, 1, 1, 8, Case::none, 0},
    {2, 3, 3, 7, 16, Case::none, 0},
    {2, 2, 2, 64, 64, Case::none, 0.1},
    {2, 1, 1, 65, 32, Case::tail, 0},
    {1, 2, 2, 129, 64, Case::none, 0.3},
    {2, 2, 2, 128, 64, Case::scattered, 0.1},
    {2, 2, 2, 300, 64, Case::tail, 0.1},
    {3, 1, 1, 300, 24, Case::scattered, 0},
    {1, 1, 1, 1040, 8, Case::none, 0.1},
    {2, 1, 1, 1100, 16, Case::scattered, 0.2},
    {2, 1, 1, 150, 7, Case::queries_apart, 0},
    {3, 2, 2, 200, 32, Case::queries_apart, 0.5},
    {2, 4, 2, 100, 16, Case::tail, 0.1},
    {2, 3, 1, 70, 1, Case::queries_apart, 0},
};

AttentionOptions options_of(const Case& c, bool causal) {
  AttentionOptions options;
  options.elemmul = true;
  options.causal = causal;
  options.dropout = c.dropout;
  options.seed = 1234567;
  if (c.padding == Case::tail) options.key_mask = tail_padding(c.batch, c.length);
  if (c.padding == Case::scattered) options.key_mask = scattered_padding(c.batch, c.length);
  if (c.padding == Case::queries_apart) {  // positions that are real as a query only, or as a key only
    options.key_mask = normal({c.batch, c.length}, 7).gt(-0.5);
    options.key_mask->narrow(1, 0, 2).fill_(false);  // in causal form the first queries see nothing
    options.query_mask = normal({c.batch, c.length}, 8).gt(-0.5);
    options.query_mask->narrow(1, 0, 2).fill_(true);
  }
  return options;
}

// Views of packed projections, as the model makes them.
Inputs inputs_of(const Case& c) {
  const auto query = packed_inputs(c.batch, c.heads, c.length, c.channels, at::kFloat, 1);
  const auto other = packed_inputs(c.batch, c.key_heads, c.length, c.channels, at::kFloat, 2);
  return {query.query, other.key, other.value};
}

Results run_fused(const Inputs& in, const AttentionOptions& options, const at::Tensor& upstream) {
  return run_with(fused_attention, in, options, upstream, in.query.scalar_type());
}

// On every instruction set that this processor has.
void expect_kernels_close(const Inputs& in, const AttentionOptions& options) {
  ASSERT_TRUE(fused_covers(in.query, options));
  const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
  const Yardstick yardstick(in, options, upstream);
  for (const auto& target : cpu::supported_targets()) {
    SCOPED_TRACE(target);
    cpu::use_target(target);
    const auto actual = run_fused(in, options, upstream);
    EXPECT_EQ(last_kernel(), "cpu/" + target);
    EXPECT_EQ(last_backward_kernel(), "cpu/" + target);
    yardstick.expect_close(actual);
  }
  cpu::use_target("");
}

TEST(ElemmulKernelAccuracy, AgreesWithTheReference) {
  for (const Case& c : kCases) {
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(describe(c, causal));
      expect_kernels_close(inputs_of(c), options_of(c, causal));
    }
  }
}

// Every query attends to key 3 (the first ones, in causal form, to what they see), the other keys get e^-gap.
TEST(ElemmulKernelAccuracy, SinkHead) {
  for (const double gap : {5.0, 20.0, 80.0, 1000.0}) {
    for (const bool causal : {false, true}) {
      SCOPED_TRACE("gap " + std::to_string(gap) + (causal ? " causal" : ""));
      auto in = random_inputs(1, 2, 300, 300, 64, at::kFloat, 11);
      in.query.select(-1, 0).fill_(8);
      in.key.select(-1, 0).fill_(0);
      in.key.select(2, 3).zero_();
      in.key.select(2, 3).select(-1, 0).fill_(static_cast<float>(gap));
      AttentionOptions options;
      options.elemmul = true;
      options.causal = causal;
      options.dropout = 0.2;
      expect_kernels_close(in, options);
    }
  }
}

// Of 33 blocks of rows 30 are kept between the sweeps.
TEST(ElemmulKernelAccuracy, BlocksThatAreNotKept) {
  const Case c{1, 1, 1, 2100, 4, Case::none, 0.1};
  for (const bool causal : {false, true}) {
    SCOPED_TRACE(describe(c, causal));
    expect_kernels_close(inputs_of(c), options_of(c, causal));
  }
}

// Every instruction set that this processor has.
class ElemmulKernel : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { cpu::use_target(GetParam()); }
  void TearDown() override { cpu::use_target(""); }
};

TEST_P(ElemmulKernel, SameBitsInEveryRunAndOnAnyNumberOfThreads) {
  // Up to two chunks of rows a head; more of them; heads left over, some of them too short for chunks; some blocks that
  // are not kept.
  const Case cases[] = {{3, 4, 2, 150, 32, Case::tail, 0.1},
                        {1, 1, 1, 700, 16, Case::none, 0.1},
                        {3, 1, 1, 400, 8, Case::tail, 0},
                        {1, 3, 1, 600, 8, Case::queries_apart, 0.1},
                        {1, 1, 1, 2300, 4, Case::none, 0.1}};
  const int threads = at::get_num_threads();
  for (const Case& c : cases) {
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(describe(c, causal));
      const auto in = inputs_of(c);
      const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
      const auto first = run_fused(in, options_of(c, causal), upstream);
      for (const int count : {1, 2, 3}) {
        at::set_num_threads(count);
        const auto again = run_fused(in, options_of(c, causal), upstream);
        EXPECT_TRUE(first.output.equal(again.output)) << count;
        EXPECT_TRUE(first.query.equal(again.query)) << count;
        EXPECT_TRUE(first.key.equal(again.key)) << count;
        EXPECT_TRUE(first.value.equal(again.value)) << count;
      }
      at::set_num_threads(threads);
    }
  }
}

TEST_P(ElemmulKernel, PaddingsContentsChangeNoBit) {
  for (const bool causal : {false, true}) {
    const Case c{2, 2, 2, 100, 16, Case::tail, 0.1};
    const auto options = options_of(c, causal);
    const auto in = inputs_of(c);
    const auto padded = options.key_mask->logical_not().unsqueeze(1).unsqueeze(-1);
    const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
    const auto junk = [&](const at::Tensor& t) { return t.masked_fill(padded, 1e30); };
    const auto expected = run_fused(in, options, upstream);
    const auto actual = run_fused({junk(in.query), junk(in.key), junk(in.value)}, options, junk(upstream));
    EXPECT_TRUE(actual.output.equal(expected.output));
    EXPECT_TRUE(actual.query.equal(expected.query));
    EXPECT_TRUE(actual.key.equal(expected.key));
    EXPECT_TRUE(actual.value.equal(expected.value));
    EXPECT_EQ(actual.output.masked_fill(padded.logical_not(), 0).abs().max().item<float>(), 0);
  }
}

TEST_P(ElemmulKernel, CausalFormDoesNotLookAhead) {
  AttentionOptions options;
  options.elemmul = true;
  options.causal = true;
  options.dropout = 0.1;
  const auto in = random_inputs(1, 2, 400, 400, 32, at::kFloat);
  const auto expected = fused_attention(in.query, in.key, in.value, options);
  for (const int64_t position : {1, 63, 64, 100, 199, 300, 399}) {
    const auto changed = [&](const at::Tensor& t) {
      auto copy = t.clone();
      copy.narrow(2, position, 400 - position).add_(3);
      return copy;
    };
    const auto actual = fused_attention(changed(in.query), changed(in.key), changed(in.value), options);
    EXPECT_TRUE(actual.narrow(2, 0, position).equal(expected.narrow(2, 0, position))) << position;
    EXPECT_FALSE(actual.select(2, position).equal(expected.select(2, position))) << position;
  }
}

TEST_P(ElemmulKernel, NotANumberIsNotSwallowed) {
  for (const bool causal : {false, true}) {
    AttentionOptions options;
    options.elemmul = true;
    options.causal = causal;
    const auto in = random_inputs(1, 1, 40, 40, 8, at::kFloat);
    in.query[0][0][5][2] = NAN;
    const auto output = fused_attention(in.query, in.key, in.value, options);
    EXPECT_TRUE(output[0][0][5].isnan().all().item<bool>());
    EXPECT_EQ(output[0][0][4].isnan().any().item<bool>(), !causal);
  }
}

TEST_P(ElemmulKernel, StridesAreFree) {
  AttentionOptions options;
  options.elemmul = true;
  const auto in = random_inputs(2, 3, 20, 20, 12, at::kFloat);
  const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
  const auto odd = [](const at::Tensor& t) { return t.transpose(1, 3).contiguous().transpose(1, 3); };
  const auto expected = run_fused(in, options, upstream);
  const auto actual = run_fused({odd(in.query), in.key, odd(in.value)}, options, odd(upstream));
  EXPECT_TRUE(expected.output.equal(actual.output));
  EXPECT_TRUE(expected.key.equal(actual.key));
}

INSTANTIATE_TEST_SUITE_P(Targets, ElemmulKernel, ::testing::ValuesIn(cpu::supported_targets()),
                         [](const auto& info) { return info.param; });

TEST(FusedElemmul, SecondDerivativesGoThroughTheReference) {
  using Function = std::function<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&)>;
  const auto second = [](const Function& function, const Inputs& in, at::ScalarType type) {
    const auto query = in.query.to(type).set_requires_grad(true), key = in.key.to(type).set_requires_grad(true);
    const auto output = function(query, key, in.value.to(type));
    const auto upstream = normal(output.sizes(), 99, type);
    const auto first = torch::autograd::grad({output}, {query}, {upstream}, true, /*create_graph=*/true);
    return torch::autograd::grad({first[0].square().sum()}, {key})[0];
  };
  for (const bool causal : {false, true}) {
    const Case c{2, 2, 2, 9, 4, Case::tail, 0.2};
    const auto options = options_of(c, causal);
    const auto in = inputs_of(c);
    const auto fused = [&](const auto& q, const auto& k, const auto& v) { return fused_attention(q, k, v, options); };
    const auto exact = [&](const auto& q, const auto& k, const auto& v) {
      return reference_attention(q, k, v, options);
    };
    const auto expected = second(exact, in, at::kDouble);
    EXPECT_GT(expected.abs().max().item<double>(), 0.01);
    EXPECT_LT(largest_difference(second(fused, in, at::kFloat), expected), 1e-4);
  }
}

TEST(FusedElemmul, HalfTypesAreComputedInFloat) {
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    const Case c{2, 2, 2, 40, 16, Case::tail, 0.1};
    const auto options = options_of(c, false);
    const auto in = random_inputs(2, 2, 40, 40, 16, type);
    const Inputs widened = {in.query.to(at::kFloat), in.key.to(at::kFloat), in.value.to(at::kFloat)};
    const auto upstream = normal(in.query.sizes(), 99, type);
    const auto actual = run_fused(in, options, upstream),
               expected = run_fused(widened, options, upstream.to(at::kFloat));
    EXPECT_EQ(actual.output.scalar_type(), type);
    EXPECT_TRUE(actual.output.equal(expected.output.to(type)));
    EXPECT_TRUE(actual.value.equal(expected.value.to(type)));
  }
}

TEST(FusedElemmul, NothingToDo) {
  AttentionOptions options;
  options.elemmul = true;
  const auto in = random_inputs(0, 2, 5, 5, 4, at::kFloat);
  EXPECT_EQ(fused_attention(in.query, in.key, in.value, options).sizes(), in.query.sizes());
  const auto empty = random_inputs(2, 2, 0, 0, 4, at::kFloat);
  EXPECT_EQ(run_fused(empty, options, empty.query).key.sizes(), empty.key.sizes());
}

}  // namespace
}  // namespace saobp::attention::testing
