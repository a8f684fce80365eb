// The fused kernels against the reference in double, by the yardstick of yardstick.h, on every instruction set that
// this processor has.
#include <gtest/gtest.h>

#include <cmath>

#include "case_table.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/fused.h"
#include "yardstick.h"

namespace saobp::attention::testing {
namespace {

void expect_kernels_close(const Inputs& in, const AttentionOptions& options) {
  const auto type = in.query.scalar_type();
  const auto upstream = normal(in.query.sizes(), 99, type);
  const Yardstick yardstick(in, options, upstream);
  for (const auto& target : cpu::supported_targets()) {
    SCOPED_TRACE(target);
    cpu::use_target(target);
    const auto actual = run_with(fused_attention, in, options, upstream, type);
    EXPECT_EQ(last_kernels().forward, "cpu/" + target);
    EXPECT_EQ(last_kernels().backward, "cpu/" + target);
    EXPECT_EQ(actual.output.scalar_type(), type);
    EXPECT_EQ(actual.key.scalar_type(), type);
    yardstick.expect_close(actual);
  }
  cpu::use_target("");
}

TEST(KernelAccuracy, EncoderAgreesWithTheReference) {
  for (const Case& c : encoder_cases()) {
    SCOPED_TRACE(describe(c));
    expect_kernels_close(inputs_of(c), options_of(c));
  }
}

TEST(KernelAccuracy, CausalFormAgreesWithTheReference) {
  for (const Case& c : causal_cases()) {
    SCOPED_TRACE(describe(c));
    expect_kernels_close(inputs_of(c), options_of(c));
  }
}

TEST(KernelAccuracy, BFloat16AgreesWithTheReference) {
  for (const auto* cases : {&encoder_cases(), &causal_cases()}) {
    for (const Case& c : *cases) {
      if (c.queries > 200) continue;
      SCOPED_TRACE(describe(c));
      expect_kernels_close(inputs_of(c, at::kBFloat16), options_of(c));
    }
  }
}

TEST(KernelAccuracy, OneStrengthForAllHeadsLearns) {
  const Case c{2, 3, 3, 70, 70, 16, {0}};
  auto options = options_of(c);
  for (const bool causal : {false, true}) {
    for (const double strength : {0.0, 0.4}) {
      options.causal = causal;
      options.strength = 0;
      options.strengths = at::full({1}, strength, at::kFloat);
      expect_kernels_close(inputs_of(c), options);
    }
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

TEST(KernelAccuracy, SinkHead) {
  for (const bool causal : {false, true}) {
    for (const double gap : {5.0, 20.0, 80.0, 1000.0, 10000.0}) {
      for (const double strength : {2.0, -2.0, 0.2, 20.0, -20.0}) {
        SCOPED_TRACE((causal ? "causal gap " : "gap ") + std::to_string(gap) + " strength " + std::to_string(strength));
        AttentionOptions options;
        options.strengths = at::tensor({strength, strength / 2}, at::kFloat);
        options.causal = causal;
        expect_kernels_close(sink_inputs(192, 16, gap), options);
      }
    }
  }
}

TEST(KernelAccuracy, LargeScores) {
  for (const bool causal : {false, true}) {
    for (const double strength : {0.0, 0.2, 20.0, -20.0}) {
      SCOPED_TRACE(std::to_string(strength) + (causal ? " causal" : ""));
      auto in = random_inputs(1, 1, 130, 130, 24, at::kFloat);
      in.query *= 2500;
      const double largest = at::matmul(in.query, in.key.transpose(-1, -2)).abs().max().item<double>() / std::sqrt(24);
      EXPECT_GT(largest, 8000);
      AttentionOptions options;
      options.strength = strength;
      options.causal = causal;
      expect_kernels_close(in, options);
    }
  }
}

TEST(KernelAccuracy, DropoutOnASinkHead) {
  for (const bool causal : {false, true}) {
    AttentionOptions options;
    options.strength = 2;
    options.dropout = 0.2;
    options.seed = 5;
    options.causal = causal;
    options.key_mask = tail_padding(1, 512);
    expect_kernels_close(sink_inputs(512, 32, 80), options);
  }
}

}  // namespace
}  // namespace saobp::attention::testing
