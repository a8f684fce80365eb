// The kernels between the matrix products against ATen in double, on every instruction set.
#include "saobp/model/add_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/model/dropout.h"
#include "saobp/model/matmul.h"
#include "tests/model/tools.h"
#include "tests/yardstick.h"

namespace saobp::model::testing {
namespace {

using torch::Tensor;
using Tensors = std::vector<Tensor>;

Tensors drawn(const std::vector<std::vector<int64_t>>& shapes) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
  Tensors tensors;
  for (const auto& shape : shapes)
    tensors.push_back(torch::empty(shape, torch::kDouble).normal_(0.3, 1.5, generator).to(torch::kBFloat16));
  return tensors;
}

// The function's results, then the gradients of its inputs from a fixed upstream. Inputs of one dimension are weights,
// which stay float where the rest is bfloat16.
Tensors run(const std::function<Tensors(const Tensors&)>& function, const Tensors& inputs, torch::ScalarType type,
            torch::ScalarType weight_type) {
  Tensors own;
  for (const auto& input : inputs)
    own.push_back(input.to(input.dim() == 1 ? weight_type : type).detach().clone().set_requires_grad(true));
  auto results = function(own);
  Tensors upstream;
  for (const auto& result : results) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(upstream.size());
    upstream.push_back(torch::empty(result.sizes(), torch::kDouble)
                           .normal_(0, 1, generator)
                           .to(torch::kBFloat16)
                           .to(result.scalar_type()));
  }
  for (const auto& gradient : torch::autograd::grad(results, own, upstream)) results.push_back(gradient);
  for (size_t i = 0; i < own.size(); ++i)
    EXPECT_EQ(results[results.size() - own.size() + i].scalar_type(), own[i].scalar_type()) << i;
  return results;
}

// `function` against `plain`, the same in ATen's operations, by the project's policy: at most twice the error that the
// plain one makes in this type, three times for gradients; and, since that may be small by chance, what the exact
// result changes by when every input is off by a rounding.
void expect_close(const std::function<Tensors(const Tensors&)>& function,
                  const std::function<Tensors(const Tensors&)>& plain, const Tensors& inputs) {
  for (const auto type : {torch::kFloat, torch::kBFloat16}) {
    const auto exact = run(plain, inputs, torch::kDouble, torch::kDouble);
    auto generator = tests::generator_of(1);
    Tensors moved;
    for (const auto& input : inputs) moved.push_back(tests::nudged(input, 4 * tests::kFloatRounding, generator));
    const auto nudged = run(plain, moved, torch::kDouble, torch::kDouble);
    const auto naive = run(plain, inputs, type, type);
    const auto actual = run(function, inputs, type, torch::kFloat);
    for (size_t i = 0; i < exact.size(); ++i) {
      const double times = i < exact.size() - inputs.size() ? 2 : 3;
      const double floor = largest_difference(nudged[i], exact[i]) + 3e-7 * exact[i].abs().max().item<double>() + 1e-7;
      EXPECT_LE(largest_difference(actual[i], exact[i]), times * largest_difference(naive[i], exact[i]) + floor)
          << type << ", result or gradient " << i << " of " << exact[i].sizes();
    }
  }
}

class Rows : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { attention::cpu::use_target(GetParam()); }
  void TearDown() override { attention::cpu::use_target(""); }
};

// Channels that fill vectors and that do not, rows that fill blocks and that do not.
const std::vector<std::pair<int64_t, int64_t>> kShapes = {{1, 5}, {3, 7}, {65, 33}, {130, 256}};

TEST_P(Rows, SumAndNormAgreeWithATen) {
  for (const auto& [rows, channels] : kShapes)
    for (const double p : {0.0, 0.3})
      for (const bool with_bias : {true, false}) {
        SCOPED_TRACE(concat(rows, "×", channels, ", dropout ", p, with_bias ? ", bias" : ""));
        const auto bias = [&](const Tensors& in) { return with_bias ? in[4] : Tensor(); };
        auto inputs = drawn({{rows, channels}, {rows, channels}, {channels}, {channels}, {channels}});
        if (!with_bias) inputs.pop_back();
        const auto masked = [&](const Tensors& in) {
          const auto x = with_bias ? in[0] + in[4] : in[0];
          return p > 0 ? x * dropout_mask(x.detach(), p, 11) : x;
        };
        const auto normed = [&](const Tensors& in, const Tensor& x) {
          return torch::layer_norm(x, {channels}, in[2], in[3], 1e-5);
        };
        expect_close(
            [&](const Tensors& in) {
              const auto both = dropout_add_and_norm(in[0], bias(in), in[1], p, 11, {in[2], in[3], 1e-5});
              return Tensors{both.sum, both.normed};
            },
            [&](const Tensors& in) {
              const auto sum = masked(in) + in[1];
              return Tensors{sum, normed(in, sum)};
            },
            inputs);
      }
}

// Without a backward pass to come less is kept, and the results are the same.
TEST_P(Rows, ResultsDoNotDependOnGradients) {
  const auto in = drawn({{9, 33}, {9, 33}, {33}, {33}});
  const auto call = [&] { return dropout_add_and_norm(in[0], {}, in[1], 0.2, 5, {in[2], in[3], 1e-12}); };
  const auto [sum, normed] = call();
  const torch::NoGradGuard no_grad;
  EXPECT_TRUE(same_bits(call().sum, sum) && same_bits(call().normed, normed));
  EXPECT_LT(largest_difference(dropout_add_norm(in[0], {}, in[1], 0.2, 5, {in[2], in[3], 1e-12}), normed), 0.05);
}

TEST_P(Rows, PartsAgreeWithATen) {
  for (const auto& [rows, channels] : kShapes) {
    SCOPED_TRACE(concat(rows, "×", channels));
    // Only the norm is used, as in a BERT.
    expect_close(
        [&](const Tensors& in) { return Tensors{dropout_add_norm(in[0], {}, in[1], 0.2, 5, {in[2], in[3], 1e-12})}; },
        [&](const Tensors& in) {
          return Tensors{torch::layer_norm(in[0] * dropout_mask(in[0].detach(), 0.2, 5) + in[1], {in[0].size(1)}, in[2],
                                           in[3], 1e-12)};
        },
        drawn({{rows, channels}, {rows, channels}, {channels}, {channels}}));
    expect_close(
        [&](const Tensors& in) { return Tensors{layer_norm(in[0], {in[1], in[2], 1e-5})}; },
        [&](const Tensors& in) { return Tensors{torch::layer_norm(in[0], {in[0].size(1)}, in[1], in[2], 1e-5)}; },
        drawn({{rows, channels}, {channels}, {channels}}));
    expect_close(
        [&](const Tensors& in) { return Tensors{dropout_add(in[0], in[2], in[1], 0.4, 3)}; },
        [&](const Tensors& in) { return Tensors{(in[0] + in[2]) * dropout_mask(in[0].detach(), 0.4, 3) + in[1]}; },
        drawn({{rows, channels}, {rows, channels}, {channels}}));
  }
}

TEST_P(Rows, ActivationsAgreeWithATen) {
  for (const auto& [rows, channels] : kShapes)
    for (const std::string name : {"gelu", "gelu_new", "relu"}) {
      SCOPED_TRACE(concat(rows, "×", channels, " ", name));
      const auto plain = [&](const Tensor& x) {
        return name == "gelu" ? torch::gelu(x) : name == "gelu_new" ? torch::gelu(x, "tanh") : torch::relu(x);
      };
      expect_close([&](const Tensors& in) { return Tensors{bias_activation(name, in[0], in[1])}; },
                   [&](const Tensors& in) { return Tensors{plain(in[0] + in[1])}; },
                   drawn({{rows, channels}, {channels}}));
      expect_close([&](const Tensors& in) { return Tensors{bias_activation(name, in[0] * 8, {})}; },
                   [&](const Tensors& in) { return Tensors{plain(in[0] * 8)}; }, drawn({{rows, channels}}));
    }
}

TEST_P(Rows, NaNStaysNaN) {
  const auto nan = torch::full({2, 20}, NAN);
  for (const std::string name : {"gelu", "gelu_new", "relu"})
    EXPECT_TRUE(bias_activation(name, nan, {}).isnan().all().item<bool>()) << name;
  EXPECT_TRUE(layer_norm(nan, {torch::ones({20}), torch::zeros({20}), 1e-5}).isnan().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Targets, Rows, ::testing::ValuesIn(attention::cpu::supported_targets()),
                         [](const auto& info) { return info.param; });

// Gradients are summed in blocks of rows, whatever the number of threads.
TEST(AddNorm, ThreadsChangeNoBit) {
  const auto inputs = drawn({{500, 48}, {500, 48}, {48}, {48}, {48}});
  const auto once = [&](int threads) {
    ThreadCount count(threads);
    return run(
        [](const Tensors& in) {
          const auto both = dropout_add_and_norm(in[0], in[4], in[1], 0.1, 1, {in[2], in[3], 1e-5});
          return Tensors{both.sum, bias_activation("gelu", both.normed, in[4])};
        },
        inputs, torch::kFloat, torch::kFloat);
  };
  const auto one = once(1), three = once(3);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], three[i])) << i;
}

TEST(Dense, AgreesWithATen) {
  for (const bool with_bias : {false, true}) {
    auto inputs = drawn({{3, 9, 20}, {31, 20}, {31}});
    if (!with_bias) inputs.pop_back();
    const auto bias = [&](const Tensors& in) { return with_bias ? in[2] : Tensor(); };
    expect_close([&](const Tensors& in) { return Tensors{dense(in[0], in[1], bias(in))}; },
                 [&](const Tensors& in) { return Tensors{torch::linear(in[0], in[1], bias(in))}; }, inputs);
  }
}

TEST(Dense, RoundsFloatWeightsForBFloat16AndHandsBackFloatGradients) {
  const auto x = torch::randn({6, 16}).to(torch::kBFloat16).set_requires_grad(true);
  const auto weight = torch::randn({8, 16}).set_requires_grad(true), bias = torch::randn({8}).set_requires_grad(true);
  const auto y = dense(x, weight, bias);
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  const auto wide = x.to(torch::kFloat), rounded = weight.to(torch::kBFloat16).to(torch::kFloat);
  // The product, the bias and their sum are each rounded, by at most 2⁻⁸ of the sizes of what is summed.
  const auto sizes = torch::linear(wide.abs(), rounded.abs(), bias.abs());
  const auto errors = (y.to(torch::kFloat) - torch::linear(wide, rounded, bias)).abs();
  EXPECT_LE((errors / sizes).max().item<double>(), 3 * std::exp2(-8));
  const auto gradients = torch::autograd::grad({y.sum()}, {x, weight, bias});
  EXPECT_EQ(gradients[0].scalar_type(), torch::kBFloat16);
  EXPECT_EQ(gradients[1].scalar_type(), torch::kFloat);
  EXPECT_TRUE(gradients[2].eq(6).all().item<bool>());
}

TEST(Matmul, AddsAndTakesAnyStride) {
  for (const auto type : {torch::kFloat, torch::kDouble, torch::kBFloat16}) {
    const auto a = torch::randn({7, 12}).to(type), b = torch::randn({5, 7}).to(type);
    const auto out = torch::ones({12, 8}, type).narrow(1, 0, 5);
    const auto rows = a.to(torch::kDouble).t(), columns = b.to(torch::kDouble).t();
    const auto exact = rows.matmul(columns), sizes = rows.abs().matmul(columns.abs());
    // Relative to the sizes of what is summed; a product in bfloat16 is rounded by at most 2⁻⁸, twice where it is
    // added.
    const double tolerance = type == torch::kBFloat16 ? std::exp2(-8) : 1e-5;
    matmul_into(out, a.t(), b.t());
    EXPECT_LE(((out - exact).abs() / sizes).max().item<double>(), tolerance) << type;
    matmul_into(out, a.t(), b.t(), /*add=*/true);
    EXPECT_LE(((out - 2 * exact).abs() / (2 * sizes)).max().item<double>(), 2 * tolerance) << type;
  }
  const auto nothing = torch::ones({2, 3});
  matmul_into(nothing, torch::ones({2, 0}), torch::ones({0, 3}));
  EXPECT_TRUE(nothing.eq(0).all().item<bool>());
}

}  // namespace
}  // namespace saobp::model::testing
