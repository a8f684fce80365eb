// The chunked loss against PyTorch's cross_entropy over the whole matrix of logits.
#include "saobp/train/linear_cross_entropy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/tools.h"
#include "tests/yardstick.h"

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

// The same loss with words, rows and channels in another order; 0: as they are.
Inputs in_order(const Inputs& in, uint64_t seed) {
  if (seed == 0) return in;
  auto generator = tests::generator_of(seed);
  const auto order = [&](int64_t count) { return torch::randperm(count, generator, torch::kLong); };
  const auto words = order(in.weight.size(0)), rows = order(in.hidden.size(0)), channels = order(in.hidden.size(1));
  return {in.hidden.index_select(0, rows).index_select(1, channels),
          in.weight.index_select(0, words).index_select(1, channels),
          in.bias.defined() ? in.bias.index_select(0, words) : in.bias,
          words.argsort().index_select(0, in.targets.index_select(0, rows))};
}

// Loss and gradients of `loss` against those of `plain`: at most twice, gradients three times, the largest error that
// plain makes in several orders, both against plain in double; at least what inputs that are off by a rounding change.
// For the loss, one number of which all orders may be close by chance, that is a rounding of the type of `hidden`.
void expect_close(const Inputs& in, const torch::Tensor& loss, const std::function<torch::Tensor(const Inputs&)>& plain,
                  const std::function<torch::Tensor(const Inputs&)>& in_double) {
  const auto results = [&](const torch::Tensor& value, const Inputs& of) {
    auto all = gradients(value, of);
    all.insert(all.begin(), value.detach());
    return all;
  };
  const auto actual = results(loss, in), exact = results(in_double(in), in);
  std::vector<double> errors(exact.size()), floors(exact.size());
  const auto widen = [&](std::vector<double>& bounds, const std::vector<torch::Tensor>& other) {
    for (size_t i = 0; i < exact.size(); ++i) bounds[i] = std::max(bounds[i], largest_difference(other[i], exact[i]));
  };
  for (uint64_t seed = 0; seed < 4; ++seed) widen(errors, results(plain(in_order(in, seed)), in));
  const auto moved = [&](double rounding) {
    auto generator = tests::generator_of(1);
    const auto off = [&](const torch::Tensor& t) {
      return t.defined() ? tests::nudged(t, rounding, generator).set_requires_grad(true) : t;
    };
    const Inputs inputs = {off(in.hidden), off(in.weight), off(in.bias), in.targets};
    return results(in_double(inputs), inputs);
  };
  widen(floors, moved(tests::kFloatRounding));
  if (in.hidden.scalar_type() == torch::kBFloat16)
    floors[0] = largest_difference(moved(tests::kBFloat16Rounding)[0], exact[0]);
  EXPECT_EQ(actual[1].scalar_type(), in.hidden.scalar_type());
  EXPECT_EQ(actual[2].scalar_type(), in.weight.scalar_type());
  for (size_t i = 0; i < exact.size(); ++i)
    EXPECT_LE(largest_difference(actual[i], exact[i]), std::max((i == 0 ? 2 : 3) * errors[i], floors[i]))
        << "result " << i << ": plain is off by up to " << errors[i] << ", the floor is " << floors[i];
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
  expect_close(
      in, loss, [](const Inputs& of) { return whole(of, torch::kFloat); },
      [](const Inputs& of) { return whole(of, torch::kDouble); });
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
    const auto plain = [](const Inputs& of) {
      const auto rounded = [](const torch::Tensor& t) { return t.defined() ? t.to(torch::kBFloat16) : t; };
      const auto logits = torch::linear(of.hidden, rounded(of.weight), rounded(of.bias));
      return torch::cross_entropy_loss(logits.to(torch::kFloat), of.targets);
    };
    expect_close(in, loss, plain, [](const Inputs& of) { return whole(of, torch::kDouble) / 600; });
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
  const auto hidden = torch::ones({2, 3}), weight = torch::ones({5, 4}), narrow = torch::ones({5, 3});
  const auto shapes = tests::error_of([&] { linear_cross_entropy(hidden, weight, {}, torch::tensor({0, 1})); });
  EXPECT_NE(shapes.find("[2, 3] and weight [5, 4]"), std::string::npos) << shapes;
  const auto ids = tests::error_of([&] { linear_cross_entropy(hidden, narrow, {}, torch::tensor({0, 5})); });
  EXPECT_NE(ids.find("targets run from 0 to 5; the vocabulary has 5"), std::string::npos) << ids;
}

}  // namespace
}  // namespace saobp::train
