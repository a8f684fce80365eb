// What the fused kernels keep bit for bit: runs, numbers of threads, causality, masked rows, strides.
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "case_table.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/kernel.h"
#include "saobp/attention/fused.h"
#include "yardstick.h"

namespace saobp::attention::testing {
namespace {

Results run_fused(const Inputs& in, const AttentionOptions& options, const at::Tensor& upstream) {
  return run_with(fused_attention, in, options, upstream, in.query.scalar_type());
}

// Every instruction set that this processor has.
class Kernel : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { cpu::use_target(GetParam()); }
  void TearDown() override { cpu::use_target(""); }
};

TEST_P(Kernel, SameBitsInEveryRunAndOnAnyNumberOfThreads) {
  const Case cases[] = {
      {1, 1, 1, 700, 700, 16, {0.2}, false, true, Padding::none, 0.1},
      {1, 1, 1, 700, 700, 16, {0.2}, true, true, Padding::none, 0.1},
      {1, 1, 1, 1300, 1300, 8, {0.5}},  // too large to keep
      {1, 3, 1, 400, 400, 16, {0.2, 0.0, -3.0}, true, false},
      {2, 3, 3, 300, 300, 16, {0.0}, false, true, Padding::tail},
      {2, 3, 3, 300, 300, 16, {0.0}, true, true, Padding::tail},
      {3, 4, 4, 150, 150, 32, {0.2}, false, true, Padding::tail, 0.1, true},
      {1, 1, 1, 700, 700, 16, {0.5}, false, true, Padding::none, 0, false, 128},
      {1, 2, 2, 700, 700, 16, {0.5, -2.0}, true, true, Padding::none, 0.1, false, 128},
  };
  const int threads = at::get_num_threads();
  for (const Case& c : cases) {
    SCOPED_TRACE(describe(c));
    const auto in = inputs_of(c);
    const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
    const auto options = options_of(c);
    at::set_num_threads(threads);
    const auto first = run_fused(in, options, upstream);
    for (const int count : {1, 2, 3, 5}) {
      at::set_num_threads(count);
      const auto again = run_fused(in, options, upstream);
      EXPECT_TRUE(first.output.equal(again.output)) << count;
      EXPECT_TRUE(first.query.equal(again.query)) << count;
      EXPECT_TRUE(first.key.equal(again.key)) << count;
      EXPECT_TRUE(first.value.equal(again.value)) << count;
      if (options.strengths) {
        EXPECT_TRUE(first.strengths.equal(again.strengths)) << count;
      }
    }
  }
  at::set_num_threads(threads);
}

TEST_P(Kernel, CausalOutputsBeforeATokenKeepTheirBits) {
  for (const double strength : {0.0, 0.2, -4.0, 20.0}) {
    for (const bool exclude_self : {true, false}) {
      Case c{2, 2, 2, 290, 290, 16, {strength}, true, exclude_self, Padding::tail, 0.1, false, exclude_self ? 0 : 64};
      const auto options = options_of(c);
      const auto in = inputs_of(c);
      const auto before = fused_attention(in.query, in.key, in.value, options);
      for (const int64_t token : {1, 63, 64, 100, 289}) {
        const auto change = [&](const at::Tensor& t) {
          auto changed = t.clone();
          changed.select(2, token).mul_(-30);
          return changed;
        };
        const auto after = fused_attention(change(in.query), change(in.key), change(in.value), options);
        EXPECT_TRUE(before.narrow(2, 0, token).equal(after.narrow(2, 0, token))) << strength << " " << token;
        if (strength == 0 || !options.key_mask) continue;
        EXPECT_FALSE(before[1].narrow(1, token, 1).equal(after[1].narrow(1, token, 1))) << token;
      }
    }
  }
}

template <class T>
cpu::View<T> view_of(const at::Tensor& t) {
  return {static_cast<T*>(t.data_ptr()), t.stride(0), t.stride(1), t.stride(2)};
}

// Calls work(begin, end) for heads [0, 2) and [2, 6), side by side.
template <class Work>
void in_plain_threads(Work&& work) {
  std::thread first(work, 0, 2), second(work, 2, 6);
  first.join();
  second.join();
}

TEST_P(Kernel, HeadsInPlainThreads) {
  const Case c{2, 3, 3, 140, 140, 16, {0.3}};
  const auto in = inputs_of(c);
  for (const bool causal : {false, true}) {
    auto options = options_of(c);
    options.causal = causal;
    const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
    const auto expected = run_fused(in, options, upstream);
    cpu::Problem problem{2, 3, 140, 140, 16, nullptr, nullptr, 0.3, true, 0, 0};
    problem.causal = causal;
    const cpu::Inputs<float> inputs{view_of<const float>(in.query), view_of<const float>(in.key),
                                    view_of<const float>(in.value)};
    const auto output = at::empty_like(in.query), rows = at::zeros({4, 2, 3, 140}), bias = at::zeros({2, 3, 140}),
               prefix = at::zeros({2, 3, cpu::chunk_count(140), 140}, at::kDouble);
    const cpu::Saved saved{rows.mutable_data_ptr<float>(), bias.mutable_data_ptr<float>(),
                           prefix.mutable_data_ptr<double>()};
    in_plain_threads([&](int64_t begin, int64_t end) {
      cpu::forward<float>(problem, inputs, view_of<float>(output), saved, cpu::HeadRange{begin, end});
    });
    EXPECT_TRUE(output.equal(expected.output));

    const auto query = at::empty_like(output), key = at::empty_like(output), value = at::empty_like(output),
               strengths = at::empty({2, 3}, at::kDouble);
    const cpu::Gradients<float, float> gradients{view_of<float>(query), view_of<float>(key), view_of<float>(value),
                                                 strengths.mutable_data_ptr<double>()};
    in_plain_threads([&](int64_t begin, int64_t end) {
      cpu::backward<float, float>(problem, inputs, {view_of<const float>(output), view_of<const float>(upstream)},
                                  saved, gradients, cpu::HeadRange{begin, end});
    });
    EXPECT_TRUE(query.equal(expected.query));
    EXPECT_TRUE(key.equal(expected.key));
    EXPECT_TRUE(value.equal(expected.value));
  }
}

TEST_P(Kernel, NothingToDo) {
  for (const bool causal : {false, true}) {
    AttentionOptions options;
    options.causal = causal;
    options.strengths = at::full({1}, 0.2);
    const auto run_shape = [&](int64_t batch, int64_t heads, int64_t queries, int64_t keys) {
      const auto in = random_inputs(batch, heads, queries, keys, 4, at::kFloat);
      return run_fused(in, options, at::ones_like(in.query));
    };
    EXPECT_EQ(run_shape(0, 2, 5, 5).strengths.item<float>(), 0);
    EXPECT_EQ(run_shape(2, 0, 5, 5).output.numel(), 0);
    EXPECT_EQ(run_shape(2, 2, 0, 0).key.numel(), 0);
    if (causal) continue;
    EXPECT_TRUE(run_shape(2, 2, 0, 5).key.equal(at::zeros({2, 2, 5, 4})));
    EXPECT_TRUE(run_shape(2, 2, 5, 0).output.equal(at::zeros({2, 2, 5, 4})));
  }
}

TEST_P(Kernel, FullyMaskedRowsAreZero) {
  for (const bool causal : {false, true}) {
    for (const double strength : {0.0, 0.2, -20.0}) {
      AttentionOptions options;
      options.causal = causal;
      options.strength = strength;
      options.key_mask = at::ones({2, 70}, at::kBool);
      options.key_mask->select(0, 1).fill_(false);
      options.key_mask->select(0, 0).narrow(0, 0, 3).fill_(false);
      options.query_mask = at::ones({2, 70}, at::kBool);  // queries 0 to 2 are real, but see no key if causal
      const auto in = random_inputs(2, 2, 70, 70, 8, at::kFloat);
      const auto result = run_fused(in, options, at::ones_like(in.query));
      for (const auto& t : {result.output, result.query, result.key, result.value}) {
        EXPECT_TRUE(t[1].eq(0).all().item<bool>());
        EXPECT_TRUE(t.isfinite().all().item<bool>());
      }
      if (!causal) continue;
      EXPECT_TRUE(result.output[0].narrow(1, 0, 3).eq(0).all().item<bool>());
      EXPECT_TRUE(result.query[0].narrow(1, 0, 3).eq(0).all().item<bool>());
    }
  }
}

TEST_P(Kernel, StridesAreFree) {
  for (const bool causal : {false, true}) {
    AttentionOptions options;
    options.strength = 0.5;
    options.causal = causal;
    const auto in = random_inputs(2, 3, 20, 20, 12, at::kFloat);
    const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
    const auto expected = run_fused(in, options, upstream);
    // Channels not contiguous; rows reversed in memory order of heads; an expanded upstream gradient.
    const auto odd = [](const at::Tensor& t) { return t.transpose(1, 3).contiguous().transpose(1, 3); };
    const auto actual = run_fused({odd(in.query), in.key.expand_as(in.key), odd(in.value)}, options, upstream);
    EXPECT_TRUE(expected.output.equal(actual.output));
    EXPECT_TRUE(expected.key.equal(actual.key));
    const auto ones = at::ones({1, 1, 1, 1});
    EXPECT_TRUE(run_fused(in, options, ones.expand_as(upstream))
                    .query.equal(run_fused(in, options, at::ones_like(upstream)).query));
  }
}

TEST_P(Kernel, StrengthsOutOfRangeAreNamed) {
  AttentionOptions options;
  options.strengths = at::tensor({0.2, -21.0, 0.0});
  const auto in = random_inputs(1, 3, 4, 4, 4, at::kFloat);
  try {
    fused_attention(in.query, in.key, in.value, options);
    FAIL();
  } catch (const c10::Error& e) {
    EXPECT_STREQ(e.what_without_backtrace(),
                 "refined_attention: strengths[1] is -21; expected a number between -20 and 20");
  }
}

TEST_P(Kernel, NotANumberIsNotSwallowed) {
  for (const double strength : {0.0, 0.2}) {
    AttentionOptions options;
    options.strength = strength;
    auto in = random_inputs(1, 1, 40, 40, 8, at::kFloat);
    in.query[0][0][5][2] = NAN;
    const auto output = fused_attention(in.query, in.key, in.value, options);
    EXPECT_TRUE(output[0][0][5].isnan().all().item<bool>());
    options.causal = true;
    const auto causal = fused_attention(in.query, in.key, in.value, options);
    EXPECT_TRUE(causal[0][0][5].isnan().all().item<bool>());
    EXPECT_TRUE(causal[0][0].narrow(0, 0, 5).isfinite().all().item<bool>());
    options.causal = false;
    in.query[0][0][5][2] = 0;
    in.key[0][0][39][2] = NAN;
    EXPECT_TRUE(fused_attention(in.query, in.key, in.value, options).isnan().all().item<bool>());
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Kernel, ::testing::ValuesIn(cpu::supported_targets()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace saobp::attention::testing
