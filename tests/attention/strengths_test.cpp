// A strength for each head, as a tensor that learns.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "cases.h"

namespace saobp::attention::testing {
namespace {

using torch::autograd::grad;

// Encoder, causal, own message kept in both, leaky, two steps, weakened in long rows.
std::vector<AttentionOptions> forms() {
  std::vector<AttentionOptions> all(9);
  all[1].causal = true;
  all[2].exclude_self = false;
  all[3].exclude_self = false, all[3].causal = true;
  all[4].leaky_causal = true;
  all[5].steps = 2;
  all[6].steps = 2, all[6].causal = true;
  all[7].strength_length = 3;
  all[8].strength_length = 3, all[8].causal = true;
  return all;
}

TEST(Strengths, EachHeadTakesItsOwn) {
  const std::vector<double> strengths = {0.5, -2.0, 0.0, 20.0};
  for (const auto type : {at::kDouble, at::kFloat}) {
    const auto in = random_inputs(2, 4, 30, 30, 8, type);
    for (auto options : forms()) {
      options.strengths = at::tensor(strengths, at::kDouble);
      const auto output = refined_attention(in.query, in.key, in.value, options);
      options.strengths.reset();
      for (int64_t h = 0; h < 4; ++h) {
        options.strength = strengths[h];
        const auto expected = refined_attention(in.query, in.key, in.value, options);
        EXPECT_LT(largest_difference(output.select(1, h), expected.select(1, h)), type == at::kDouble ? 1e-14 : 1e-5);
      }
    }
  }
}

TEST(Strengths, OneServesAllHeads) {
  const auto in = random_inputs(2, 3, 20, 20, 8);
  AttentionOptions options;
  options.strength = 0.5;
  const auto expected = refined_attention(in.query, in.key, in.value, options);
  options.strength = 0;
  for (const auto& strengths : {at::tensor({0.5f}), at::tensor({0.5, 0.5, 0.5}, at::kDouble)}) {
    options.strengths = strengths;
    EXPECT_LT(largest_difference(refined_attention(in.query, in.key, in.value, options), expected), 1e-14);
  }
}

void expect_gradient(const Inputs& in, AttentionOptions options, const at::Tensor& strengths) {
  const auto upstream = normal(in.query.sizes(), 99);
  const auto loss = [&](const at::Tensor& at_strengths) {
    options.strengths = at_strengths;
    return (refined_attention(in.query, in.key, in.value, options) * upstream).sum();
  };
  const auto leaf = strengths.detach().set_requires_grad(true);
  const auto gradient = grad({loss(leaf)}, {leaf})[0];
  ASSERT_EQ(gradient.scalar_type(), strengths.scalar_type());
  const double h = 1e-3;
  for (int64_t i = 0; i < strengths.numel(); ++i) {
    const auto moved = [&](double step) {
      auto other = strengths.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
      other[i] += step;
      return loss(other).item<double>();
    };
    const double expected = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
    const double tolerance = strengths.scalar_type() == at::kDouble ? 1e-9 : 1e-6;
    EXPECT_NEAR(gradient[i].item<double>(), expected, tolerance * (1 + std::abs(expected))) << i;
    EXPECT_NE(gradient[i].item<double>(), 0) << i;
  }
}

// At strength 0 too, where nothing is refined.
TEST(Strengths, GradientEqualsCentralDifferences) {
  for (auto options : forms()) {
    SCOPED_TRACE(std::to_string(options.causal) + std::to_string(options.leaky_causal) +
                 std::to_string(options.exclude_self) + " steps " + std::to_string(options.steps));
    const auto in = random_inputs(2, 4, 9, 9, 4);
    const auto strengths = at::tensor({0.7, -1.2, 0.0, 3.0}, at::kDouble);
    expect_gradient(in, options, strengths);
    expect_gradient(in, options, at::tensor({0.0}, at::kDouble));
    expect_gradient(in, options, strengths.to(at::kFloat));
    options.key_mask = tail_padding(2, 9);
    options.dropout = 0.3;
    expect_gradient(in, options, strengths);
    expect_gradient(grouped_inputs(2, 4, 2, 9, 4), options, strengths);
  }
}

// In float, where the fused kernels may take the call: within the rounding of the reference's gradient in double.
TEST(Strengths, GradientInFloatIsThatInDouble) {
  const auto in = random_inputs(2, 3, 80, 80, 16, at::kFloat);
  const auto upstream = normal(in.query.sizes(), 99, at::kFloat);
  for (auto options : forms()) {
    if (options.steps > 1 || options.leaky_causal) continue;
    const auto gradient = [&](at::ScalarType type) {
      const auto leaf = at::tensor({0.7f, -1.2f, 0.0f}).set_requires_grad(true);
      options.strengths = leaf;
      const auto output = refined_attention(in.query.to(type), in.key.to(type), in.value.to(type), options);
      return grad({output}, {leaf}, {upstream.to(type)})[0];
    };
    const auto expected = gradient(at::kDouble);
    EXPECT_LT(largest_difference(gradient(at::kFloat), expected), 1e-4 * expected.abs().max().item<double>());
  }
}

// The derivative of ⟨∂L/∂x, u⟩ along v, x being query, key, value and strengths: by autograd and by differences.
TEST(Strengths, SecondDerivatives) {
  for (auto options : forms()) {
    const auto in = random_inputs(1, 2, 4, 4, 3);
    const std::vector<at::Tensor> start = {in.query, in.key, in.value, at::tensor({0.7, -0.4}, at::kDouble)};
    const auto upstream = normal(in.query.sizes(), 99);
    std::vector<at::Tensor> u, v;
    for (const auto& x : start) {
      u.push_back(normal(x.sizes(), 10 + u.size()));
      v.push_back(normal(x.sizes(), 20 + v.size()));
    }
    const auto first_along_u = [&](const std::vector<at::Tensor>& x, bool create_graph) {
      options.strengths = x[3];
      const auto loss = (refined_attention(x[0], x[1], x[2], options) * upstream).sum();
      const auto gradients = grad({loss}, x, {}, create_graph, create_graph);
      auto total = at::zeros({}, at::kDouble);
      for (size_t i = 0; i < x.size(); ++i) total = total + (gradients[i] * u[i]).sum();
      return total;
    };
    const auto leaves = [&](double step) {
      std::vector<at::Tensor> result;
      for (size_t i = 0; i < start.size(); ++i) result.push_back((start[i] + step * v[i]).set_requires_grad(true));
      return result;
    };
    const auto at_start = leaves(0);
    const auto second = grad({first_along_u(at_start, true)}, at_start);
    double along_v = 0;
    for (size_t i = 0; i < second.size(); ++i) along_v += (second[i] * v[i]).sum().item<double>();
    const auto moved = [&](double step) { return first_along_u(leaves(step), false).item<double>(); };
    const double h = 1e-3;
    const double expected = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
    EXPECT_NEAR(along_v, expected, 1e-7 * (1 + std::abs(expected)));
  }
}

}  // namespace
}  // namespace saobp::attention::testing
