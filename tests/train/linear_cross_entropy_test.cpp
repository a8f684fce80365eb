// The chunked loss against PyTorch's cross_entropy over the whole matrix of logits.
#include "saobp/train/linear_cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace saobp::train {
namespace {

struct Inputs {
  torch::Tensor hidden, weight, bias, targets;
};

Inputs inputs(int64_t rows, int64_t channels, int64_t vocabulary, torch::ScalarType type, bool with_bias) {
  torch::manual_seed(3);
  const auto normal = [&](torch::IntArrayRef shape) {
    return torch::randn(shape, torch::kDouble).to(type).set_requires_grad(true);
  };
  return {normal({rows, channels}), normal({vocabulary, channels}), with_bias ? normal({vocabulary}) : torch::Tensor(),
          torch::randint(vocabulary, {rows})};
}

std::vector<torch::Tensor> gradients(const torch::Tensor& loss, const Inputs& in) {
  std::vector<torch::Tensor> of = {in.hidden, in.weight};
  if (in.bias.defined()) of.push_back(in.bias);
  return torch::autograd::grad({loss}, of);
}

torch::Tensor whole(const Inputs& in, torch::ScalarType type) {
  const auto logits =
      torch::linear(in.hidden.to(type), in.weight.to(type), in.bias.defined() ? in.bias.to(type) : torch::Tensor());
  return torch::cross_entropy_loss(logits, in.targets, {}, at::Reduction::Sum);
}

double largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max().item<double>();
}

TEST(LinearCrossEntropy, EqualsTheWholeMatrixInDouble) {
  for (const bool with_bias : {false, true}) {
    const auto in = inputs(7, 5, 33, torch::kDouble, with_bias);
    const auto loss = linear_cross_entropy(in.hidden, in.weight, in.bias, in.targets, 0.25);
    const auto expected = whole(in, torch::kDouble) * 0.25;
    EXPECT_NEAR(loss.item<double>(), expected.item<double>(), 1e-12);
    const auto actual = gradients(loss * 3, in), exact = gradients(expected * 3, in);
    for (size_t i = 0; i < exact.size(); ++i) EXPECT_LE(largest_difference(actual[i], exact[i]), 1e-12) << i;
  }
}

// Several chunks: 700 rows of 30,001 logits do not fit one.
TEST(LinearCrossEntropy, EqualsTheWholeMatrixInFloat) {
  const auto in = inputs(700, 16, 30001, torch::kFloat, true);
  const auto loss = linear_cross_entropy(in.hidden, in.weight, in.bias, in.targets);
  const auto naive = whole(in, torch::kFloat), exact = whole(in, torch::kDouble);
  EXPECT_LE(largest_difference(loss, exact), 2 * largest_difference(naive, exact) + 1e-6 * exact.item<double>());
  const auto actual = gradients(loss, in), plain = gradients(naive, in), right = gradients(exact, in);
  for (size_t i = 0; i < right.size(); ++i) {
    const double floor = 3e-7 * right[i].abs().max().item<double>();
    EXPECT_LE(largest_difference(actual[i], right[i]), 3 * largest_difference(plain[i], right[i]) + floor) << i;
  }
}

TEST(LinearCrossEntropy, TakesHalfPrecisionAndKeepsItsType) {
  const auto in = inputs(5, 8, 40, torch::kBFloat16, false);
  const auto loss = linear_cross_entropy(in.hidden, in.weight, in.bias, in.targets);
  EXPECT_EQ(loss.scalar_type(), torch::kFloat);
  EXPECT_EQ(gradients(loss, in)[0].scalar_type(), torch::kBFloat16);
}

// bfloat16 hidden states on float weights: the products are rounded, sums and gradients of the weights are float.
TEST(LinearCrossEntropy, BFloat16IsAsCloseAsPlainBFloat16) {
  for (const bool with_bias : {false, true}) {
    auto in = inputs(600, 16, 30001, torch::kFloat, with_bias);
    in.hidden = in.hidden.detach().to(torch::kBFloat16).set_requires_grad(true);
    const auto loss = linear_cross_entropy(in.hidden, in.weight, in.bias, in.targets, 1.0 / 600);
    const auto logits = torch::linear(in.hidden, in.weight.to(torch::kBFloat16),
                                      with_bias ? in.bias.to(torch::kBFloat16) : torch::Tensor());
    const auto naive = torch::cross_entropy_loss(logits.to(torch::kFloat), in.targets);
    const auto exact = whole(in, torch::kDouble) / 600;
    EXPECT_LE(largest_difference(loss, exact), 2 * largest_difference(naive, exact) + 1e-3);
    const auto actual = gradients(loss, in), plain = gradients(naive, in), right = gradients(exact, in);
    EXPECT_EQ(actual[1].scalar_type(), torch::kFloat);
    for (size_t i = 0; i < right.size(); ++i) {
      const double floor = 1e-6 * right[i].abs().max().item<double>();
      EXPECT_LE(largest_difference(actual[i], right[i]), 3 * largest_difference(plain[i], right[i]) + floor) << i;
    }
  }
}

TEST(LinearCrossEntropy, LargeLogitsAndNoRows) {
  const auto weight = torch::tensor({{1e4f}, {-1e4f}}).set_requires_grad(true);
  const auto hidden = torch::ones({2, 1});
  const auto loss = linear_cross_entropy(hidden, weight, {}, torch::tensor({0, 1}));
  EXPECT_FLOAT_EQ(loss.item<float>(), 2e4f);
  loss.backward();
  EXPECT_TRUE(weight.grad().equal(torch::tensor({{1.0f}, {-1.0f}})));

  const auto nothing = linear_cross_entropy(hidden.slice(0, 0, 0), weight, {}, torch::empty({0}, torch::kLong));
  EXPECT_EQ(nothing.item<float>(), 0);
  EXPECT_TRUE(torch::autograd::grad({nothing}, {weight})[0].eq(0).all().item<bool>());
}

TEST(LinearCrossEntropy, KeepsWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (const int64_t place : {0, 17, 38}) {
      auto weight = torch::ones({39, 1});
      weight[place] = bad;
      const auto loss = linear_cross_entropy(torch::ones({1, 1}), weight, {}, torch::tensor({3}));
      EXPECT_FALSE(std::isfinite(loss.item<float>())) << bad << " at " << place;
    }
}

TEST(LinearCrossEntropy, WithoutGradientsMakesNone) {
  const auto in = inputs(3, 4, 9, torch::kFloat, false);
  const torch::NoGradGuard no_grad;
  const auto loss = linear_cross_entropy(in.hidden, in.weight, in.bias, in.targets);
  EXPECT_FALSE(loss.requires_grad());
  EXPECT_NEAR(loss.item<double>(), whole(in, torch::kDouble).item<double>(), 1e-4);
}

TEST(LinearCrossEntropy, NamesBothSizes) {
  const auto error = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const c10::Error& e) {
      return e.what_without_backtrace();
    }
    return "no error";
  };
  const auto hidden = torch::ones({2, 3}), weight = torch::ones({5, 4}), narrow = torch::ones({5, 3});
  const auto shapes = error([&] { linear_cross_entropy(hidden, weight, {}, torch::tensor({0, 1})); });
  EXPECT_NE(shapes.find("[2, 3] and weight [5, 4]"), std::string::npos) << shapes;
  const auto ids = error([&] { linear_cross_entropy(hidden, narrow, {}, torch::tensor({0, 5})); });
  EXPECT_NE(ids.find("targets run from 0 to 5; the vocabulary has 5"), std::string::npos) << ids;
}

}  // namespace
}  // namespace saobp::train
