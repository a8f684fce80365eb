// GPT-2: causality, gradients, padding, dropout, decoding with a cache.
#include "saobp/model/decoder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/model/tools.h"

namespace saobp::model::testing {
namespace {

using attention::Variant;

const std::pair<Variant, double> kVariants[] = {
    {Variant::original, 0.0}, {Variant::high, 0.7}, {Variant::low, 0.7}, {Variant::elemmul, 0.0}};

// Long enough for several blocks of the kernels.
constexpr int64_t kLong = 150;

ModelConfig long_config(Variant variant, double strength) {
  auto config = tiny_gpt2(variant, strength);
  config.max_position_embeddings = kLong;
  return config;
}

torch::Tensor random_ids(int64_t batch, int64_t length, uint64_t seed = 1) {
  return torch::randint(50, {batch, length}, at::make_generator<at::CPUGeneratorImpl>(seed), torch::kLong);
}

TEST(Gpt2, LaterTokensChangeNoBitOfEarlierOutputs) {
  const auto ids = random_ids(2, kLong);
  for (auto [variant, strength] : kVariants)
    for (bool training : {false, true}) {
      auto model = make_model(long_config(variant, strength), 3);
      draw_every_tensor(model, 4);
      model->train(training);
      const auto before = model->logits(model->hidden_states(ids));
      EXPECT_TRUE(attention::last_kernel().starts_with("cpu/")) << attention::last_kernel();
      for (int64_t changed : {1, 31, 64, 100, 149}) {
        auto other = ids.clone();
        other[0][changed] = (ids[0][changed] + 7) % 50;
        const auto after = model->logits(model->hidden_states(other));
        EXPECT_TRUE(same_bits(before[0].slice(0, 0, changed), after[0].slice(0, 0, changed)))
            << static_cast<int>(variant) << ", token " << changed << ", training " << training;
        EXPECT_TRUE(same_bits(before[1], after[1])) << "the other row";
        EXPECT_GT(largest_difference(before[0][changed], after[0][changed]), 1e-3);
        if (changed < kLong - 1) {
          EXPECT_GT(largest_difference(before[0][kLong - 1], after[0][kLong - 1]), 1e-6) << "the past is seen";
        }
      }
    }
}

TEST(Gpt2, EveryParameterGetsItsGradient) {
  for (auto [variant, strength] : kVariants) {
    auto model = make_model(tiny_gpt2(variant, strength), 3);
    draw_every_tensor(model, 4);
    model->train();
    const auto logits = model->logits(model->hidden_states(random_ids(3, 12)));
    torch::cross_entropy_loss(logits.reshape({-1, 50}), random_ids(3, 12, 2).reshape({-1})).backward();
    EXPECT_EQ(attention::last_backward_kernel(), attention::last_kernel());
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_GT(item.value().grad().abs().max().item<double>(), 1e-7) << item.key();
    }
  }
}

TEST(Gpt2, GradientIsTheSlopeOfTheLoss) {
  for (auto [variant, strength] : kVariants) {
    auto model = make_model(tiny_gpt2(variant, strength), 3);
    draw_every_tensor(model, 4);
    model->to(torch::kDouble);
    model->eval();
    const auto ids = random_ids(2, 9), targets = random_ids(2, 9, 2).reshape({-1});
    const auto loss = [&] {
      return torch::cross_entropy_loss(model->logits(model->hidden_states(ids)).reshape({-1, 50}), targets);
    };
    loss().backward();
    for (auto& item : model->named_parameters()) {
      auto& parameter = item.value();
      torch::NoGradGuard no_grad;
      const auto direction = torch::sin(torch::arange(parameter.numel(), torch::kDouble)).reshape(parameter.sizes());
      const double step = 1e-5, expected = (parameter.grad() * direction).sum().item<double>();
      parameter.add_(direction, step);
      const double up = loss().item<double>();
      parameter.add_(direction, -2 * step);
      const double down = loss().item<double>();
      parameter.add_(direction, step);
      EXPECT_NEAR((up - down) / (2 * step), expected, 1e-6 * std::max(1.0, std::abs(expected))) << item.key();
    }
  }
}

TEST(Gpt2, APaddedBatchEqualsItsRowsAlone) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 9);
  auto mask = torch::ones({2, 9}, torch::kBool);
  mask[1].slice(0, 5).fill_(false);
  for (auto [variant, strength] : kVariants) {
    auto model = make_model(tiny_gpt2(variant, strength), 3);
    draw_every_tensor(model, 4);
    model->eval();
    const auto batch = model->hidden_states({ids, mask});
    const auto part = model->hidden_states(ids.slice(0, 1).slice(1, 0, 5));
    EXPECT_LT(largest_difference(batch[0], model->hidden_states(ids.slice(0, 0, 1))[0]), 2e-5);
    EXPECT_LT(largest_difference(batch[1].slice(0, 0, 5), part[0]), 2e-5) << static_cast<int>(variant);
    // What stands in padding in front changes no bit either.
    auto front = torch::ones({2, 9}, torch::kBool);
    front[1].slice(0, 0, 3).fill_(false);
    auto other = ids.clone();
    other[1].slice(0, 0, 3).copy_((ids[1].slice(0, 0, 3) + 9) % 50);
    EXPECT_TRUE(same_bits(model->hidden_states({ids, front})[1].slice(0, 3),
                          model->hidden_states({other, front})[1].slice(0, 3)));
  }
}

TEST(Gpt2, VariantsAndExclusionReachTheAttention) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 12);
  std::vector<torch::Tensor> outputs;
  const auto add = [&](Variant variant, double strength, bool exclude_self) {
    auto config = tiny_gpt2(variant, strength);
    config.refined_attention.exclude_self = exclude_self;
    auto model = make_model(config, 3);
    model->eval();
    outputs.push_back(model->hidden_states(ids));
  };
  for (auto [variant, strength] : kVariants) add(variant, strength, true);
  add(Variant::high, 0.7, false);
  for (size_t i = 0; i < outputs.size(); ++i)
    for (size_t j = 0; j < i; ++j) EXPECT_GT(largest_difference(outputs[i], outputs[j]), 1e-4) << i << " and " << j;
  add(Variant::high, 0, true);
  EXPECT_TRUE(same_bits(outputs.back(), outputs.front())) << "strength 0 is the original";
}

TEST(Gpt2, EachDropoutActsByItselfAndFromItsSeed) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 12);
  const double set[][3] = {{0.5, 0, 0}, {0, 0.5, 0}, {0, 0, 0.5}, {0, 0, 0}};
  for (const auto [hidden, weights, embedding] : set) {
    auto config = tiny_gpt2();
    config.hidden_dropout_prob = hidden, config.attention_probs_dropout_prob = weights;
    config.embedding_dropout_prob = embedding;
    auto model = make_model(config, 3);
    model->eval();
    const auto evaluated = model->hidden_states(ids);
    model->train();
    model->dropout_seed = 5;
    const auto first = model->hidden_states(ids);
    EXPECT_TRUE(same_bits(model->hidden_states(ids), first));
    const bool none = hidden + weights + embedding == 0;
    EXPECT_EQ(same_bits(first, evaluated), none) << hidden << ", " << weights << ", " << embedding;
    model->dropout_seed = 6;
    EXPECT_EQ(same_bits(model->hidden_states(ids), first), none);
  }
}

TEST(Gpt2, ProbeSeesEveryLayer) {
  auto model = make_model(tiny_gpt2(Variant::low, 0.7), 3);
  model->eval();
  std::vector<int64_t> layers;
  model->hidden_states(random_ids(2, 9), [&](const AttentionCall& call) {
    const auto& [layer, query, key, value, options] = call;
    EXPECT_EQ(value.sizes(), query.sizes());
    layers.push_back(layer);
    EXPECT_EQ(query.sizes(), (std::vector<int64_t>{2, 2, 9, 8}));
    EXPECT_EQ(key.sizes(), query.sizes());
    EXPECT_TRUE(options.causal);
    EXPECT_EQ(options.strength, -0.7);
  });
  EXPECT_EQ(layers, (std::vector<int64_t>{0, 1}));
}

TEST(Gpt2, TheHeadIsTheWordEmbeddingUnlessUntied) {
  torch::NoGradGuard no_grad;
  const auto hidden = torch::randn({5, 16});
  for (bool tied : {true, false}) {
    auto config = tiny_gpt2();
    config.tie_word_embeddings = tied;
    auto model = make_model(config, 3);
    const auto before = model->logits(hidden);
    model->word_embeddings[17].add_(1);
    EXPECT_EQ(same_bits(model->logits(hidden), before), !tied);
    EXPECT_FALSE(model->language_head().projection().bias.defined());
    // A loss that makes logits piece by piece has the same ones.
    EXPECT_LT(largest_difference(
                  torch::matmul(model->language_head().states(hidden), model->language_head().projection().weight.t()),
                  model->logits(hidden)),
              1e-5);
  }
}

TEST(Decoding, EqualsThePassOverTheWholeSequence) {
  const auto ids = random_ids(2, kLong);
  for (auto [variant, strength] : kVariants)
    for (auto type : {torch::kFloat, torch::kDouble}) {
      auto model = make_model(long_config(variant, strength), 3);
      draw_every_tensor(model, 4);
      model->to(type);
      model->eval();
      torch::NoGradGuard no_grad;
      const auto whole = model->hidden_states(ids);
      auto cache = new_cache(*model);
      std::vector<torch::Tensor> parts;
      int64_t begin = 0;
      for (int64_t size : {1, 40, 1, 1, 70, 1, 36}) {
        parts.push_back(decode(*model, ids.slice(1, begin, begin + size), cache));
        begin += size;
        EXPECT_EQ(cache.length(), begin);
      }
      // Hidden states are of order 1: some hundred roundings of the type.
      const double bound = 1000 * (type == torch::kFloat ? 0x1p-23 : 0x1p-52);
      EXPECT_LT(largest_difference(torch::cat(parts, 1), whole), bound) << static_cast<int>(variant);
    }
}

TEST(Decoding, EndsWithThePositionTable) {
  auto model = make_model(tiny_gpt2(), 3);
  model->eval();
  auto cache = new_cache(*model);
  decode(*model, random_ids(1, 12), cache);
  EXPECT_EQ(error_of([&] { decode(*model, random_ids(1, 1), cache); }),
            "the sequence has 13 tokens, the model's position table ends at 12");
  EXPECT_EQ(error_of([&] { model->hidden_states(random_ids(1, 13)); }),
            "the sequence has 13 tokens, the model's position table ends at 12");
  EXPECT_EQ(error_of([&] { model->hidden_states(torch::tensor({{3, 50}}, torch::kLong)); }),
            "token ids run from 3 to 50; the model's vocabulary has 50 (another tokenizer?)");
  model->train();
  auto other = new_cache(*model);
  EXPECT_THROW(decode(*model, random_ids(1, 2), other), Error);
}

}  // namespace
}  // namespace saobp::model::testing
