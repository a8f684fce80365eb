// The operator's outer side: argument errors, edge sizes, layouts, dispatch.
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cases.h"
#include "saobp/attention/cpu/dispatch.h"

namespace saobp::attention::testing {
namespace {

std::string error_of(const Inputs& in, const AttentionOptions& options = {}) {
  try {
    refined_attention(in.query, in.key, in.value, options);
  } catch (const c10::Error& e) {
    return e.what_without_backtrace();
  }
  return "no error";
}

Inputs small() { return random_inputs(2, 3, 5, 5, 4, at::kFloat); }

TEST(Arguments, DisagreementsAreNamedWithBothSizes) {
  const auto with_key = [](at::Tensor key) { return Inputs{small().query, std::move(key), small().value}; };
  EXPECT_EQ(error_of(with_key(at::zeros({2, 3, 5, 64}))),
            "refined_attention: key has 64 channels, query has 4; they must agree");
  EXPECT_EQ(error_of(with_key(at::zeros({2, 2, 5, 4}))),
            "refined_attention: key has 2 heads, query has 3; the heads of the query must be a multiple of the key's");
  EXPECT_EQ(error_of(with_key(at::zeros({2, 0, 5, 4}))),
            "refined_attention: key has 0 heads, query has 3; the heads of the query must be a multiple of the key's");
  EXPECT_EQ(error_of(with_key(at::zeros({2, 1, 5, 4}))),
            "refined_attention: value has 3 heads, key has 1; they must agree");
  EXPECT_EQ(error_of(with_key(at::zeros({7, 3, 5, 4}))),
            "refined_attention: key has 7 batch rows, query has 2; they must agree");
  EXPECT_EQ(error_of(with_key(at::zeros({2, 3, 6, 4}))),
            "refined_attention: value has 5 rows, key has 6; they must agree");
  EXPECT_EQ(error_of(with_key(at::zeros({3, 5, 4}))),
            "refined_attention: key has 3 dimensions; expected 4: batch, heads, length, channels");
  EXPECT_EQ(error_of(with_key(at::zeros({2, 3, 5, 4}, at::kDouble))),
            "refined_attention: key is of type Double, query of type Float; they must agree");
  EXPECT_EQ(error_of(with_key(at::zeros({2, 3, 5, 4}, at::kLong))),
            "refined_attention: key is of type Long; expected a floating point type");
  EXPECT_EQ(error_of(with_key(at::zeros({2, 3, 5, 4}, at::TensorOptions(at::kMeta)))),
            "refined_attention: key is on meta, query on cpu; they must agree");
  EXPECT_EQ(error_of(with_key({})), "refined_attention: key is undefined");
}

TEST(Arguments, MasksAreChecked) {
  AttentionOptions options;
  options.key_mask = at::ones({2, 6}, at::kBool);
  EXPECT_EQ(error_of(small(), options),
            "refined_attention: key_mask has shape [2, 6]; expected [batch, length] = [2, 5]");
  options.key_mask = at::ones({2, 5}, at::kLong);
  EXPECT_EQ(error_of(small(), options),
            "refined_attention: key_mask is of type Long; expected Bool, true where a position is real");
  options.key_mask.reset();
  options.query_mask = at::ones({5}, at::kBool);
  EXPECT_EQ(error_of(small(), options),
            "refined_attention: query_mask has shape [5]; expected [batch, length] = [2, 5]");
}

TEST(Arguments, NumbersAreChecked) {
  AttentionOptions options;
  options.strength = NAN;
  EXPECT_EQ(error_of(small(), options), "refined_attention: strength is nan; expected a number between -20 and 20");
  options.strength = -20.5;
  EXPECT_EQ(error_of(small(), options), "refined_attention: strength is -20.5; expected a number between -20 and 20");
  options.strength = 0.2;
  options.elemmul = true;
  EXPECT_EQ(error_of(small(), options), "refined_attention: elemmul takes no strength, found 0.2; expected 0");
  options = {};
  options.dropout = 1;
  EXPECT_EQ(error_of(small(), options),
            "refined_attention: dropout is 1; expected a probability from 0 up to, not including, 1");
  options = {};
  options.causal = true;
  EXPECT_EQ(error_of(random_inputs(1, 1, 4, 6, 2), options),
            "refined_attention: causal needs as many queries as keys, found 4 and 6");
}

TEST(Arguments, StrengthsAreChecked) {
  AttentionOptions options;
  const auto error = [&](at::Tensor strengths) {
    options.strengths = std::move(strengths);
    return error_of(small(), options);
  };
  EXPECT_EQ(error(at::ones({4})), "refined_attention: strengths have shape [4]; expected [1] or [heads] = [3]");
  EXPECT_EQ(error(at::ones({1, 3})), "refined_attention: strengths have shape [1, 3]; expected [1] or [heads] = [3]");
  EXPECT_EQ(error(at::ones({})), "refined_attention: strengths have shape []; expected [1] or [heads] = [3]");
  EXPECT_EQ(error(at::ones({3}, at::kHalf)), "refined_attention: strengths are of type Half; expected Float or Double");
  EXPECT_EQ(error(at::ones({3}, at::TensorOptions(at::kMeta))),
            "refined_attention: strengths are on meta, query on cpu; they must agree");
  EXPECT_EQ(error(at::tensor({0.2, NAN, 0.1}, at::kDouble)),
            "refined_attention: strengths[1] is nan; expected a number between -20 and 20");
  EXPECT_EQ(error(at::tensor({0.2, 0.1, -20.5}, at::kFloat)),
            "refined_attention: strengths[2] is -20.5; expected a number between -20 and 20");
  EXPECT_EQ(error(at::tensor({9.0, 0.1, 9.0, 0.1, 99.0}, at::kDouble).slice(0, 0, 5, 2)),
            "refined_attention: strengths[2] is 99; expected a number between -20 and 20");
  options.strength = 0.5;
  EXPECT_EQ(error(at::ones({3})), "refined_attention: strengths are given and strength is 0.5; give one of them");
  options.strength = 0;
  options.elemmul = true;
  EXPECT_EQ(error(at::ones({3})), "refined_attention: elemmul takes no strengths, found a tensor");
}

TEST(Arguments, FormsThatExcludeEachOtherAreNamed) {
  AttentionOptions options;
  options.steps = 0;
  EXPECT_EQ(error_of(small(), options), "refined_attention: steps is 0; expected at least 1");
  options.steps = 2;
  options.elemmul = true;
  EXPECT_EQ(error_of(small(), options), "refined_attention: elemmul takes one step, found 2");
  options.steps = 1;
  EXPECT_EQ(error_of(random_inputs(1, 1, 4, 6, 2), options),
            "refined_attention: elemmul needs as many queries as keys, found 4 and 6");
  options.leaky_causal = true;
  EXPECT_EQ(error_of(small(), options),
            "refined_attention: elemmul and leaky_causal are both true; elemmul has the causal form only");
  options.elemmul = false;
  EXPECT_EQ(error_of(random_inputs(1, 1, 4, 6, 2), options),
            "refined_attention: leaky_causal needs as many queries as keys, found 4 and 6");
  options.causal = true;
  EXPECT_EQ(error_of(small(), options), "refined_attention: causal and leaky_causal are both true; choose one");
}

TEST(EdgeSizes, EmptyBatchAndNoQueriesOrKeys) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (const double strength : {0.0, 0.2}) {
      AttentionOptions options;
      options.strength = strength;
      const auto shape = [&](const Inputs& in) {
        return run(in, options, at::ones_like(in.query)).output.sizes().vec();
      };
      EXPECT_EQ(shape(random_inputs(0, 2, 3, 3, 4, type)), (std::vector<int64_t>{0, 2, 3, 4}));
      EXPECT_EQ(shape(random_inputs(2, 0, 3, 3, 4, type)), (std::vector<int64_t>{2, 0, 3, 4}));
      EXPECT_EQ(shape(random_inputs(2, 1, 0, 3, 4, type)), (std::vector<int64_t>{2, 1, 0, 4}));
    }
  }
}

TEST(EdgeSizes, OneTokenReturnsItsValue) {
  const auto in = random_inputs(2, 2, 1, 1, 6, at::kFloat);
  for (const double strength : {0.0, 20.0, -20.0}) {
    AttentionOptions options;
    options.strength = strength;
    EXPECT_LT(largest_difference(refined_attention(in.query, in.key, in.value, options), in.value), 1e-6);
  }
}

TEST(Layout, OutputLiesAsTheQueryDoes) {
  AttentionOptions options;
  for (const double strength : {0.0, 0.2}) {
    options.strength = strength;
    const auto in = packed_inputs(2, 3, 7, 4);
    EXPECT_TRUE(refined_attention(in.query, in.key, in.value, options).transpose(1, 2).is_contiguous());
    EXPECT_TRUE(refined_attention(in.query.contiguous(), in.key, in.value, options).is_contiguous());
  }
}

TEST(Variants, FromTheirNames) {
  EXPECT_EQ(from_variant(Variant::original, 0.2).strength, 0);
  EXPECT_EQ(from_variant(Variant::high, 0.2).strength, 0.2);
  EXPECT_EQ(from_variant(Variant::low, 0.2).strength, -0.2);
  EXPECT_EQ(from_variant(Variant::elemmul, 0.2).strength, 0);
  EXPECT_TRUE(from_variant(Variant::elemmul, 0.2).elemmul);
}

TEST(Dispatch, KernelForSaysWhatTheCallThenTakes) {
  const auto expect = [](const Inputs& in, const AttentionOptions& options, const std::string& kernel) {
    EXPECT_EQ(kernel_for(in.query, in.key, in.value, options), kernel);
    refined_attention(in.query, in.key, in.value, options);
    EXPECT_EQ(last_kernel(), kernel);
  };
  const std::string fused = std::string("cpu/") + cpu::target_name();
  AttentionOptions options;
  options.strength = -0.2;
  options.key_mask = tail_padding(2, 5);
  options.dropout = 0.1;
  expect(small(), options, fused);
  expect(random_inputs(2, 3, 5, 5, 4), options, "composite");
  options.causal = true;
  expect(small(), options, fused);
  options = {};
  expect(small(), options, fused);
  expect(grouped_inputs(2, 4, 2, 5, 4, at::kBFloat16), options, fused);
  options.strengths = at::tensor({0.5, -0.2, 0.0}, at::kDouble);
  expect(small(), options, fused);
  options = {};
  options.elemmul = true;
  expect(small(), options, fused);
  expect(random_inputs(2, 3, 5, 5, 4), options, "composite");
  options = {};
  options.leaky_causal = true;
  expect(small(), options, "composite");
  options = {};
  options.steps = 2;
  expect(small(), options, "composite");
}

TEST(Dispatch, MetaTensorsGetShapesOnly) {
  const auto meta = [](const at::Tensor& t) { return t.to(at::kMeta); };
  for (const double strength : {0.0, 0.2}) {
    AttentionOptions options;
    options.strength = strength;
    const auto in = small();
    const auto output = refined_attention(meta(in.query), meta(in.key), meta(in.value), options);
    EXPECT_EQ(output.sizes(), in.query.sizes());
    EXPECT_TRUE(output.is_meta());
  }
}

TEST(Dispatch, AnUnknownInstructionSetIsNamed) {
  EXPECT_THROW(cpu::use_target("mmx"), c10::Error);
  cpu::use_target("");
}

}  // namespace
}  // namespace saobp::attention::testing
