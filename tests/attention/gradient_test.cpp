// Gradients against central differences, in double; second derivatives; half-precision types.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "cases.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/reference.h"

namespace saobp::attention::testing {
namespace {

std::vector<AttentionOptions> variants() {
  std::vector<AttentionOptions> all(14);
  all[1].strength = 0.6;
  all[2].strength = -0.6;
  all[3].strength = 0.6, all[3].exclude_self = false;
  all[4].strength = 0.6, all[4].causal = true;
  all[5].strength = -2.0, all[5].causal = true, all[5].exclude_self = false;
  all[6].elemmul = true;
  all[7].elemmul = true, all[7].causal = true;
  all[8].strength = 0.8, all[8].leaky_causal = true;
  all[9].strength = 0.6, all[9].steps = 2;
  all[10].strength = -0.6, all[10].steps = 3, all[10].causal = true;
  all[11].strengths = at::tensor({1.3}, at::kDouble);
  all[12].strength = 0.6, all[12].strength_length = 2;
  all[13].strength = -2.0, all[13].strength_length = 2, all[13].causal = true;
  return all;
}

double loss(const Inputs& in, const AttentionOptions& options, const at::Tensor& upstream) {
  return (refined_attention(in.query, in.key, in.value, options) * upstream).sum().item<double>();
}

// ∂loss/∂input along `direction`, by a central difference of fourth order.
double along(const Inputs& in, at::Tensor Inputs::* which, const at::Tensor& direction, const AttentionOptions& options,
             const at::Tensor& upstream) {
  const double h = 1e-3;
  const auto at_step = [&](double step) {
    Inputs moved = in;
    moved.*which = in.*which + step * direction;
    return loss(moved, options, upstream);
  };
  return (8 * (at_step(h) - at_step(-h)) - (at_step(2 * h) - at_step(-2 * h))) / (12 * h);
}

void expect_gradients(const Inputs& in, const AttentionOptions& options) {
  const auto upstream = normal(in.query.sizes(), 99);
  const auto gradients = run(in, options, upstream);
  const struct {
    at::Tensor Inputs::* input;
    at::Tensor Gradients::* gradient;
    const char* name;
  } parts[] = {{&Inputs::query, &Gradients::query, "query"},
               {&Inputs::key, &Gradients::key, "key"},
               {&Inputs::value, &Gradients::value, "value"}};
  for (const auto& part : parts) {
    const auto& gradient = gradients.*(part.gradient);
    for (int64_t i = 0; i < gradient.numel(); ++i) {
      auto direction = at::zeros_like(gradient, at::MemoryFormat::Contiguous);
      direction.view(-1)[i] = 1;
      ASSERT_NEAR(along(in, part.input, direction, options, upstream), gradient.reshape(-1)[i].item<double>(), 1e-8)
          << part.name << " " << i;
    }
    const auto direction = normal(gradient.sizes(), 5);
    EXPECT_NEAR(along(in, part.input, direction, options, upstream), (gradient * direction).sum().item<double>(), 1e-7)
        << part.name;
  }
}

TEST(Gradient, EqualsCentralDifferences) {
  for (auto options : variants()) {
    SCOPED_TRACE("strength " + std::to_string(options.strength) + (options.causal ? " causal" : "") +
                 (options.elemmul ? " elemmul" : "") + (options.leaky_causal ? " leaky" : "") + " steps " +
                 std::to_string(options.steps));
    const auto in = random_inputs(2, 1, 5, 5, 3);
    expect_gradients(in, options);
    options.key_mask = tail_padding(2, 5);
    options.dropout = 0.3;
    expect_gradients(in, options);
  }
}

TEST(Gradient, OfGroupedHeadsEqualsCentralDifferences) {
  AttentionOptions options;
  options.strengths = at::tensor({0.9, -0.4, 0.0, 2.0}, at::kDouble);
  options.key_mask = tail_padding(2, 4);
  for (const bool causal : {false, true}) {
    options.causal = causal;
    expect_gradients(grouped_inputs(2, 4, 2, 4, 2), options);
    expect_gradients(grouped_inputs(2, 4, 1, 4, 2), options);
  }
}

// The gradient's own gradient, along a direction: the fused path hands over to the reference.
at::Tensor second_derivative(const Inputs& in, const AttentionOptions& options, at::ScalarType type) {
  const auto query = in.query.to(type).set_requires_grad(true);
  const auto key = in.key.to(type).set_requires_grad(true), value = in.value.to(type);
  const auto output = refined_attention(query, key, value, options);
  const auto upstream = normal(output.sizes(), 99, type);
  const auto first = torch::autograd::grad({output}, {query}, {upstream}, true, /*create_graph=*/true);
  return torch::autograd::grad({first[0].square().sum()}, {key})[0];
}

TEST(Gradient, SecondDerivativesThroughTheFusedPath) {
  for (const double strength : {0.0, 0.5}) {
    AttentionOptions options;
    options.strength = strength;
    options.key_mask = tail_padding(2, 9);
    const auto in = random_inputs(2, 2, 9, 9, 4);
    const auto expected = second_derivative(in, options, at::kDouble);
    EXPECT_GT(expected.abs().max().item<double>(), 0.1);
    EXPECT_LT(largest_difference(second_derivative(in, options, at::kFloat), expected), 1e-4);
  }
}

TEST(Gradient, OnlyWhatIsAskedFor) {
  AttentionOptions options;
  options.strength = 0.2;
  const auto in = random_inputs(1, 2, 9, 9, 4, at::kFloat);
  const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
  const auto key = in.key.detach().set_requires_grad(true);
  const auto output = refined_attention(in.query, key, in.value, options);
  EXPECT_TRUE(torch::autograd::grad({output}, {key}, {upstream})[0].equal(run(in, options, upstream).key));
}

TEST(HalfTypes, AreComputedInFloat) {
  cpu::use_target("baseline");  // where no processor multiplies bfloat16
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    AttentionOptions options;
    options.strength = 0.2;
    const auto in = random_inputs(2, 2, 40, 40, 16, type);
    const Inputs widened = {in.query.to(at::kFloat), in.key.to(at::kFloat), in.value.to(at::kFloat)};
    const auto upstream = normal(in.query.sizes(), 99, type);
    const auto actual = run(in, options, upstream), expected = run(widened, options, upstream.to(at::kFloat));
    EXPECT_EQ(actual.output.scalar_type(), type);
    EXPECT_TRUE(actual.output.equal(expected.output.to(type)));
    EXPECT_TRUE(actual.key.equal(expected.key.to(type)));
  }
  cpu::use_target("");
}

}  // namespace
}  // namespace saobp::attention::testing
