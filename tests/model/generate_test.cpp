// Sampling from logits, and generation with a cache.
#include "saobp/model/generate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tests/model/tools.h"

namespace saobp::model::testing {
namespace {

using attention::Variant;

// Logits whose softmax is 0.1, 0.5, 0.25, 0.15.
torch::Tensor four() { return torch::tensor({0.1, 0.5, 0.25, 0.15}, torch::kDouble).log() + 3; }

SamplingOptions with(double temperature, int64_t top_k, double top_p) {
  SamplingOptions options;
  options.temperature = temperature, options.top_k = top_k, options.top_p = top_p;
  return options;
}

std::map<int64_t, double> distribution(const torch::Tensor& logits, const SamplingOptions& options) {
  const auto [ids, probabilities] = candidates(logits, options);
  std::map<int64_t, double> map;
  for (int64_t i = 0; i < ids.size(0); ++i) map[ids[i].item<int64_t>()] = probabilities[i].item<double>();
  EXPECT_NEAR(probabilities.sum().item<double>(), 1, 1e-12);
  return map;
}

void expect_distribution(const SamplingOptions& options, const std::map<int64_t, double>& expected) {
  const auto found = distribution(four(), options);
  ASSERT_EQ(found.size(), expected.size());
  for (auto [id, p] : expected) EXPECT_NEAR(found.at(id), p, 1e-12) << id;
}

TEST(Sampling, TemperatureTopKAndTopP) {
  expect_distribution(with(1, 0, 1), {{0, 0.1}, {1, 0.5}, {2, 0.25}, {3, 0.15}});
  expect_distribution(with(1, 2, 1), {{1, 0.5 / 0.75}, {2, 0.25 / 0.75}});
  expect_distribution(with(1, 9, 1), {{0, 0.1}, {1, 0.5}, {2, 0.25}, {3, 0.15}});
  // The fewest that reach top_p.
  expect_distribution(with(1, 0, 0.49), {{1, 1}});
  expect_distribution(with(1, 0, 0.6), {{1, 0.5 / 0.75}, {2, 0.25 / 0.75}});
  expect_distribution(with(1, 0, 0.8), {{1, 0.5 / 0.9}, {2, 0.25 / 0.9}, {3, 0.15 / 0.9}});
  expect_distribution(with(1, 0, 0.95), {{0, 0.1}, {1, 0.5}, {2, 0.25}, {3, 0.15}});
  // top_p counts what top_k left: 0.5/0.75 alone reaches 0.6.
  expect_distribution(with(1, 2, 0.6), {{1, 1}});
  // Temperature 0.5 squares the odds.
  const double sum = 0.01 + 0.25 + 0.0625 + 0.0225;
  expect_distribution(with(0.5, 0, 1), {{0, 0.01 / sum}, {1, 0.25 / sum}, {2, 0.0625 / sum}, {3, 0.0225 / sum}});
}

TEST(Sampling, TopPOfAWideDistribution) {
  // 5,000 tokens of nearly the same probability, so that far more than the first look are needed.
  const auto logits = torch::linspace(0, 1e-6, 5000, torch::kDouble);
  EXPECT_NEAR(static_cast<double>(candidates(logits, with(1, 0, 0.9)).ids.size(0)), 4500, 1);
  EXPECT_EQ(candidates(logits, with(1, 0, 1e-9)).ids.size(0), 1);
  EXPECT_EQ(candidates(logits, with(1, 0, 0.1)).ids[0].item<int64_t>(), 4999) << "the likeliest first";
}

TEST(Sampling, APlaceInTheCumulativeProbabilityIsAToken) {
  for (auto [place, id] :
       {std::pair{0.0, 0}, {0.0999, 0}, {0.1001, 1}, {0.5999, 1}, {0.6001, 2}, {0.8501, 3}, {0.9999, 3}})
    EXPECT_EQ(choose_token(four(), with(1, 0, 1), place), id) << place;
  for (double place : {0.0, 0.5, 0.999}) {
    EXPECT_EQ(choose_token(four(), with(0, 0, 1), place), 1);
    EXPECT_EQ(choose_token(four(), with(1, 1, 1), place), 1);
  }
  EXPECT_EQ(choose_token(torch::tensor({1.0, 3.0, 3.0}), with(0, 0, 1), 0), 1) << "the first of equals";
}

TEST(Sampling, OptionsAreChecked) {
  const auto error = [](double temperature, int64_t top_k, double top_p) {
    return error_of([&] { with(temperature, top_k, top_p).check(); });
  };
  EXPECT_EQ(error(0, 0, 1), "no error");
  EXPECT_EQ(error(-1, 0, 1), "usage: --temperature: -1 was given; a number from 0 to 1000 was expected");
  EXPECT_EQ(error(std::nan(""), 0, 1), "usage: --temperature: nan was given; a number from 0 to 1000 was expected");
  EXPECT_EQ(error(1, -1, 1), "usage: --top-k: -1 was given; at least 0 was expected");
  EXPECT_EQ(error(1, 0, 0), "usage: --top-p: 0 was given; above 0 and at most 1 was expected");
  SamplingOptions none;
  none.max_new_tokens = 0;
  EXPECT_EQ(error_of([&] { none.check(); }), "usage: --max-new-tokens: 0 was given; at least 1 was expected");
}

Model random_model(Variant variant, double strength) {
  auto config = tiny_gpt2(variant, strength);
  config.max_position_embeddings = 80;
  auto model = make_model(config, 3);
  draw_every_tensor(model, 4);
  model->eval();
  return model;
}

SamplingOptions greedy(int64_t tokens) {
  auto options = with(0, 0, 1);
  options.max_new_tokens = tokens;
  return options;
}

TEST(Generate, GreedyEqualsTheArgmaxWithoutACache) {
  torch::NoGradGuard no_grad;
  for (auto [variant, strength] : {std::pair{Variant::original, 0.0}, std::pair{Variant::high, 0.7},
                                   std::pair{Variant::low, 0.7}, std::pair{Variant::elemmul, 0.0}}) {
    auto model = random_model(variant, strength);
    std::vector<int64_t> ids = {7, 30, 2};
    std::vector<int64_t> told;
    const auto made = generate(*model, ids, greedy(60), {50, {}}, [&](int64_t id) { told.push_back(id); });
    for (int i = 0; i < 60; ++i) {
      const auto logits = model->logits(model->hidden_states(torch::tensor(ids).unsqueeze(0)))[0];
      ids.push_back(logits[-1].argmax().item<int64_t>());
    }
    EXPECT_EQ(made.ids, std::vector<int64_t>(ids.begin() + 3, ids.end())) << static_cast<int>(variant);
    EXPECT_EQ(told, made.ids);
    EXPECT_EQ(made.stopped, Stop::max_new_tokens);
  }
}

TEST(Generate, Stops) {
  auto model = random_model(Variant::high, 0.7);
  const auto all = generate(*model, {7, 30, 2}, greedy(1000), {50, {}});
  // The last token is made from the last position and has none itself.
  EXPECT_EQ(all.ids.size(), 80u - 3 + 1);
  EXPECT_EQ(all.stopped, Stop::positions);
  const int64_t end = all.ids[5];
  const auto first = std::find(all.ids.begin(), all.ids.end(), end);
  const auto ended = generate(*model, {7, 30, 2}, greedy(1000), {50, {0, end}});
  EXPECT_EQ(ended.ids, std::vector<int64_t>(all.ids.begin(), first));
  EXPECT_EQ(ended.stopped, Stop::end_of_text);
  const auto one = generate(*model, {7}, greedy(1), {50, {}});
  EXPECT_EQ(one.ids.size(), 1u);
  EXPECT_FALSE(one.tokens_per_s().has_value());
  EXPECT_GT(all.tokens_per_s().value(), 0);
  EXPECT_EQ(error_of([&] { generate(*model, {}, greedy(1), {50, {}}); }),
            "generate: the prompt has no token; at least one was expected");
}

TEST(Generate, DrawsDependOnTheSeedOnly) {
  auto model = random_model(Variant::high, 0.7);
  auto options = with(1.5, 0, 1);
  options.max_new_tokens = 40;
  const auto first = generate(*model, {7}, options, {50, {}});
  torch::manual_seed(9);
  EXPECT_EQ(generate(*model, {7}, options, {50, {}}).ids, first.ids);
  options.seed = 2;
  EXPECT_NE(generate(*model, {7}, options, {50, {}}).ids, first.ids);
  // A longer text begins with the shorter one.
  options.seed = 1, options.max_new_tokens = 41;
  const auto longer = generate(*model, {7}, options, {50, {}});
  EXPECT_EQ(std::vector<int64_t>(longer.ids.begin(), longer.ids.end() - 1), first.ids);
}

TEST(Generate, DrawnTokensHaveTheModelsProbabilities) {
  torch::NoGradGuard no_grad;
  auto model = random_model(Variant::high, 0.7);
  auto options = with(1, 3, 1);
  options.max_new_tokens = 1;
  const auto logits = model->logits(model->hidden_states(torch::tensor({{7, 30}}, torch::kLong)))[0][-1];
  const auto expected = distribution(logits, options);
  std::map<int64_t, double> counts;
  constexpr int draws = 3000;
  for (options.seed = 0; options.seed < draws; ++options.seed)
    counts[generate(*model, {7, 30}, options, {50, {}}).ids.at(0)] += 1;
  for (auto [id, count] : counts) EXPECT_TRUE(expected.contains(id)) << id;
  for (auto [id, p] : expected) EXPECT_NEAR(counts[id] / draws, p, 5 * std::sqrt(p * (1 - p) / draws)) << id;
}

TEST(Generate, IdsThatTheTokenizerDoesNotKnowAreNeverChosen) {
  auto model = random_model(Variant::original, 0);
  auto options = with(5, 0, 1);
  options.max_new_tokens = 75;
  for (int64_t id : generate(*model, {7}, options, {10, {}}).ids) EXPECT_LT(id, 10);
}

}  // namespace
}  // namespace saobp::model::testing
