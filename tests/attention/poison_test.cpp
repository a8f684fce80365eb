// The kernels on every instruction set, over their whole case table: scratch memory, outputs and gradients that begin
// as NaN change no bit.
#include <gtest/gtest.h>

#include "case_table.h"
#include "saobp/attention/cpu/dispatch.h"
#include "tests/poison.h"

namespace saobp::attention::testing {
namespace {

class PoisonedKernel : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { cpu::use_target(GetParam()); }
  void TearDown() override { cpu::use_target(""); }
};

void expect_same_bits(const Inputs& in, const AttentionOptions& options) {
  const auto upstream = normal(in.query.sizes(), 99, in.query.scalar_type());
  const auto expected = run(in, options, upstream);
  const tests::PoisonedMemory poison;
  const auto actual = run(in, options, upstream);
  EXPECT_TRUE(expected.output.isfinite().all().item<bool>());
  EXPECT_TRUE(actual.output.equal(expected.output));
  EXPECT_TRUE(actual.query.equal(expected.query));
  EXPECT_TRUE(actual.key.equal(expected.key));
  EXPECT_TRUE(actual.value.equal(expected.value));
}

TEST_P(PoisonedKernel, GivesTheSameBits) {
  for (const auto* cases : {&encoder_cases(), &causal_cases()})
    for (const Case& c : *cases)
      for (const auto type : {at::kFloat, at::kBFloat16}) {
        SCOPED_TRACE(describe(c) + (type == at::kFloat ? " float" : " bfloat16"));
        expect_same_bits(inputs_of(c, type), options_of(c));
      }
}

TEST_P(PoisonedKernel, ElemmulGivesTheSameBits) {
  for (const auto* cases : {&encoder_cases(), &causal_cases()})
    for (const Case& c : *cases) {
      if (c.queries != c.keys) continue;  // elemmul is for self-attention
      for (const auto type : {at::kFloat, at::kBFloat16}) {
        SCOPED_TRACE(describe(c) + (type == at::kFloat ? " float" : " bfloat16"));
        auto options = options_of(c);
        options.elemmul = true, options.strength = 0, options.strengths = std::nullopt, options.exclude_self = true,
        options.strength_length = 0;
        expect_same_bits(inputs_of(c, type), options);
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Targets, PoisonedKernel, ::testing::ValuesIn(cpu::supported_targets()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace saobp::attention::testing
