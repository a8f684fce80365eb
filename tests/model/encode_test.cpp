// Dropout by counters, and the encoder: padding, errors, variants, kernels.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "saobp/model/add_norm.h"
#include "saobp/model/dropout.h"
#include "saobp/model/model.h"
#include "tests/model/tools.h"

namespace saobp::model::testing {
namespace {

using attention::Variant;

// 1 where dropout keeps an element, 0 where it drops one.
torch::Tensor kept(int64_t n, double p, uint64_t seed) {
  return model::dropout(torch::ones({n / 100, 100}), p, seed).reshape({n}) != 0;
}

TEST(Dropout, MaskIsAFunctionOfSeedAndIndex) {
  constexpr int64_t n = 200'000;  // several grains of the parallel loop
  const auto mask = kept(n, 0.3, 42);
  for (int threads : {1, 2, 3}) {
    ThreadCount count(threads);
    EXPECT_TRUE(torch::equal(kept(n, 0.3, 42), mask)) << threads << " threads";
  }
  EXPECT_TRUE(torch::equal(kept(700, 0.3, 42), mask.slice(0, 0, 700)));
  EXPECT_TRUE(torch::equal(model::dropout(torch::ones({400, 500}), 0.3, 42) != 0, mask.reshape({400, 500})));
  EXPECT_TRUE(torch::equal(dropout_mask(torch::ones({n}, torch::kDouble), 0.3, 42) != 0, mask)) << "made by ATen";
  // A transposed tensor is dropped at its own indices, not at those of its memory.
  auto x = torch::randn({500, 400}).t();
  EXPECT_TRUE(same_bits(model::dropout(x, 0.3, 42), model::dropout(x.contiguous(), 0.3, 42)));
  // A larger p drops what a smaller one drops, and more.
  EXPECT_FALSE((kept(n, 0.5, 42) & ~mask).any().item<bool>());
}

TEST(Dropout, KeepRateAndMeanAreRight) {
  constexpr int64_t n = 1'000'000;
  for (double p : {0.01, 0.1, 0.5, 0.9}) {
    const double count = kept(n, p, 7).sum().item<double>();
    EXPECT_NEAR(count, n * (1 - p), 5 * std::sqrt(n * p * (1 - p))) << "p = " << p;
    const auto x = torch::linspace(-1, 3, n, torch::kDouble);
    // Var(x R) = x² p / (1 − p).
    const double sd = std::sqrt(x.square().mean().item<double>() * p / (1 - p) / n);
    EXPECT_NEAR(model::dropout(x, p, 7).mean().item<double>(), 1.0, 5 * sd) << "p = " << p;
  }
}

TEST(Dropout, SeedsAndNeighboursAreIndependent) {
  constexpr int64_t n = 1'000'000;
  const double p = 0.3, both = n * p * p, sd = std::sqrt(n * p * p * (1 - p * p));
  const auto dropped = ~kept(n, p, 1);
  for (uint64_t seed : {uint64_t{2}, uint64_t{1} << 32 | 1, derive_seed(1, 0)})
    EXPECT_NEAR((dropped & ~kept(n, p, seed)).sum().item<double>(), both, 5 * sd) << "seed " << seed;
  // Pairs overlap, which adds 2 (p³ − p⁴) n to the variance of a count of independent pairs.
  const double sd_pairs = std::sqrt(n * (p * p * (1 - p * p) + 2 * (p * p * p - p * p * p * p)));
  for (int64_t lag : {1, 2, 64, 256})
    EXPECT_NEAR((dropped.slice(0, lag) & dropped.slice(0, 0, n - lag)).sum().item<double>(), both, 5 * sd_pairs)
        << "lag " << lag;
}

TEST(Dropout, DerivedSeedsAreSplitMix64) {
  // The first outputs of the published generator from state 0.
  EXPECT_EQ(derive_seed(0, 0), 0xE220A8397B1DCDAFull);
  EXPECT_EQ(derive_seed(0, 1), 0x6E789E6AA1B965F4ull);
  std::set<uint64_t> seeds;
  for (uint64_t seed = 0; seed < 100; ++seed)
    for (uint64_t site = 0; site < 100; ++site) seeds.insert(derive_seed(derive_seed(42, seed), site));
  EXPECT_EQ(seeds.size(), 10'000u);
}

TEST(Dropout, GradientIsTheMask) {
  const auto options = torch::dtype(torch::kDouble);
  auto x = torch::randn({40, 30}, options).requires_grad_(),
       residual = torch::randn({40, 30}, options).requires_grad_();
  const auto weight = torch::randn({40, 30}, options);
  const double p = 0.25;
  const auto mask = model::dropout(torch::ones({40, 30}, options), p, 9);
  const auto loss = [&](const torch::Tensor& at) { return (dropout_add(at, {}, residual, p, 9) * weight).sum(); };
  loss(x).backward();
  EXPECT_LT(largest_difference(x.grad(), weight * mask), 1e-15);
  EXPECT_TRUE(same_bits(residual.grad(), weight));
  EXPECT_TRUE(torch::allclose(dropout_add(x, {}, residual, p, 9), residual + x * mask, 1e-15, 1e-15));
  // Central differences; the function is linear, so that a step of 1 has no error but rounding.
  torch::NoGradGuard no_grad;
  for (int64_t i = 0; i < 40; ++i) {
    auto step = torch::zeros({40, 30}, options);
    step[i][i % 30] = 1;
    const double slope = (loss(x + step) - loss(x - step)).item<double>() / 2;
    EXPECT_NEAR(slope, x.grad()[i][i % 30].item<double>(), 1e-12) << i;
  }
}

TEST(Dropout, GradientWithoutResidualAndFromAnExpandedUpstream) {
  auto x = torch::randn({64, 3}).requires_grad_();
  model::dropout(x, 0.5, 3).sum().backward();  // sum() sends back one number with strides 0
  EXPECT_TRUE(same_bits(x.grad(), model::dropout(torch::ones({64, 3}), 0.5, 3)));
  EXPECT_EQ(std::set<float>({0.0f, 2.0f}),
            std::set<float>(x.grad().const_data_ptr<float>(), x.grad().const_data_ptr<float>() + x.numel()));
}

TEST(Dropout, NothingIsDroppedAtZero) {
  auto x = torch::randn({64}), residual = torch::randn({64});
  EXPECT_TRUE(model::dropout(x, 0, 3).is_same(x));
  EXPECT_TRUE(same_bits(dropout_add(x, {}, residual, 0, 3), x + residual));
  EXPECT_THROW(dropout_add(x, {}, torch::zeros({1}), 0.5, 3), Error) << "shapes that differ are not broadcast";
}

// Two rows, the second with 5 real tokens of 9.
struct PaddedInput {
  torch::Tensor ids = torch::tensor({{2, 11, 40, 7, 7, 23, 49, 30, 3}, {2, 17, 5, 31, 3, 0, 0, 0, 0}}, torch::kLong);
  torch::Tensor mask = torch::tensor({{1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 0, 0, 0, 0}}).to(torch::kBool);
};

const std::pair<Variant, double> kVariants[] = {
    {Variant::original, 0.0}, {Variant::high, 0.7}, {Variant::low, 0.7}, {Variant::elemmul, 0.0}};

TEST(Encode, WhatStandsInPaddingChangesNoBit) {
  PaddedInput in;
  auto other = in.ids.clone();
  other[1].slice(0, 5).copy_(torch::tensor({44, 2, 9, 28}));
  for (auto [variant, strength] : kVariants)
    for (bool training : {false, true}) {
      auto model = make_model(tiny_config(variant, strength), 3);
      model->train(training);
      auto a = model->hidden_states({in.ids, in.mask}), b = model->hidden_states({other, in.mask});
      EXPECT_TRUE(same_bits(a[0], b[0]) && same_bits(a[1].slice(0, 0, 5), b[1].slice(0, 0, 5)))
          << "variant " << static_cast<int>(variant) << ", training " << training;
      EXPECT_FALSE(torch::equal(model->hidden_states(in.ids), model->hidden_states(other)))
          << "without the mask it matters";
    }
}

TEST(Encode, APaddedBatchEqualsItsRowsAlone) {
  PaddedInput in;
  torch::NoGradGuard no_grad;
  for (auto [variant, strength] : kVariants)
    for (auto type : {torch::kFloat, torch::kDouble}) {
      auto model = make_model(tiny_config(variant, strength), 3);
      model->eval();
      model->to(type);
      auto batch = model->hidden_states({in.ids, in.mask});
      EXPECT_EQ(batch.scalar_type(), type);
      // Hidden states are of order 1 (LayerNorm ends the encoder): some hundred roundings of the type.
      const double bound = 200 * (type == torch::kFloat ? 0x1p-23 : 0x1p-52);
      auto full = model->hidden_states(in.ids.slice(0, 0, 1)),
           part = model->hidden_states(in.ids.slice(0, 1).slice(1, 0, 5));
      EXPECT_LT(largest_difference(batch[0], full[0]), bound) << static_cast<int>(variant);
      EXPECT_LT(largest_difference(batch[1].slice(0, 0, 5), part[0]), bound) << static_cast<int>(variant);
      auto unmasked = model->hidden_states(in.ids);
      EXPECT_GT(largest_difference(unmasked[1].slice(0, 0, 5), part[0]), 1e-3) << static_cast<int>(variant);
    }
}

TEST(Encode, VariantsStrengthAndExclusionReachTheAttention) {
  PaddedInput in;
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> outputs;
  const auto add = [&](Variant variant, double strength, bool exclude_self) {
    auto config = tiny_config(variant, strength);
    config.refined_attention.exclude_self = exclude_self;
    auto model = make_model(config, 3);
    model->eval();
    outputs.push_back(model->hidden_states({in.ids, in.mask}));
  };
  for (auto [variant, strength] : kVariants) add(variant, strength, true);
  add(Variant::high, 0.2, true);
  add(Variant::high, 0.7, false);
  for (size_t i = 0; i < outputs.size(); ++i)
    for (size_t j = 0; j < i; ++j) EXPECT_GT(largest_difference(outputs[i], outputs[j]), 1e-4) << i << " and " << j;
  add(Variant::high, 0, true);
  EXPECT_TRUE(same_bits(outputs.back(), outputs.front())) << "strength 0 is the original";
}

TEST(Encode, TrainingUsesTheFusedKernelsForwardAndBackward) {
  PaddedInput in;
  for (auto [variant, strength] : kVariants) {
    auto model = make_model(tiny_config(variant, strength), 3);
    model->train();
    auto hidden = model->hidden_states({in.ids, in.mask});
    EXPECT_TRUE(attention::last_kernel().starts_with("cpu/")) << attention::last_kernel();
    hidden.square().sum().backward();
    EXPECT_EQ(attention::last_backward_kernel(), attention::last_kernel());
    for (const auto& layer : model->layers) EXPECT_GT(layer->qkv_weight.grad().abs().max().item<double>(), 0);
  }
}

// What a head looks at, without what follows the last layer's attention for the other tokens: values and gradients.
TEST(Encode, SomeTokensAloneAreAsAmongAll) {
  PaddedInput in;
  const auto places = torch::tensor({0, 12, 9, 12}, torch::kLong);
  for (const char* sizes : {"bert", "gpt2"})
    for (auto [variant, strength] : kVariants) {
      SCOPED_TRACE(std::string(sizes) + " " + std::to_string(static_cast<int>(variant)));
      auto config = tiny_config(variant, strength);
      if (std::string(sizes) == "gpt2") config.family = &kGpt2, config.type_vocab_size = 0;
      auto model = make_model(config, 3);
      model->to(torch::kDouble);
      model->eval();
      const auto all = model->hidden_states({in.ids, in.mask}).reshape({18, -1}).index_select(0, places);
      const auto some = model->hidden_states_at({in.ids, in.mask}, places);
      EXPECT_LT(largest_difference(some, all), 1e-12);
      const auto weights = torch::linspace(-1, 2, all.numel(), torch::kDouble).view(all.sizes());
      const auto parameters = model->parameters();
      const auto of_all = torch::autograd::grad({(all * weights).sum()}, parameters, {}, {}, false, true);
      const auto of_some = torch::autograd::grad({(some * weights).sum()}, parameters, {}, {}, false, true);
      for (size_t i = 0; i < parameters.size(); ++i) {
        ASSERT_EQ(of_all[i].defined(), of_some[i].defined()) << i;
        if (of_all[i].defined()) {
          EXPECT_LT(largest_difference(of_all[i], of_some[i]), 1e-11) << i;
        }
      }
    }
}

TEST(Encode, DropoutDependsOnItsSeedOnly) {
  PaddedInput in;
  torch::NoGradGuard no_grad;
  auto model = make_model(tiny_config(), 3);
  model->train();
  model->dropout_seed = 12;
  torch::manual_seed(1);
  const auto first = model->hidden_states({in.ids, in.mask});
  torch::manual_seed(2);
  EXPECT_TRUE(same_bits(model->hidden_states({in.ids, in.mask}), first));
  model->dropout_seed = 13;
  EXPECT_GT(largest_difference(model->hidden_states({in.ids, in.mask}), first), 0.1);
  model->eval();
  const auto evaluated = model->hidden_states({in.ids, in.mask});
  EXPECT_GT(largest_difference(evaluated, first), 0.1);
  model->dropout_seed = 12;
  EXPECT_TRUE(same_bits(model->hidden_states({in.ids, in.mask}), evaluated)) << "evaluation draws nothing";
}

TEST(Encode, EitherDropoutActsByItself) {
  PaddedInput in;
  torch::NoGradGuard no_grad;
  for (auto [hidden, weights] : {std::pair{0.5, 0.0}, std::pair{0.0, 0.5}, std::pair{0.0, 0.0}}) {
    auto config = tiny_config();
    config.hidden_dropout_prob = hidden, config.attention_probs_dropout_prob = weights;
    auto model = make_model(config, 3);
    model->eval();
    const auto evaluated = model->hidden_states({in.ids, in.mask});
    model->train();
    EXPECT_EQ(same_bits(model->hidden_states({in.ids, in.mask}), evaluated), hidden + weights == 0)
        << hidden << ", " << weights;
  }
}

TEST(Encode, TokenTypesAndPositionsCount) {
  PaddedInput in;
  torch::NoGradGuard no_grad;
  auto model = make_model(tiny_config(), 3);
  model->eval();
  const auto plain = model->hidden_states(in.ids);
  EXPECT_TRUE(same_bits(model->hidden_states({in.ids, {}, torch::zeros_like(in.ids)}), plain));
  EXPECT_GT(largest_difference(model->hidden_states({in.ids, {}, torch::ones_like(in.ids)}), plain), 0.1);
  const auto twice = model->hidden_states(torch::full({1, 2}, 7, torch::kLong));
  EXPECT_GT(largest_difference(twice[0][0], twice[0][1]), 0.1) << "one token at two positions";
}

TEST(Encode, SinusoidalPositionsTurnByTheSameAngleEverywhere) {
  ModelConfig config = tiny_config();
  config.hidden_size = 64, config.max_position_embeddings = 100;
  auto model = make_model(config, 1);
  model->set_sinusoidal_positions();
  const auto table = model->position_embeddings.detach();
  EXPECT_TRUE(model->position_embeddings.requires_grad());
  // Neighbours at a fixed distance have the same product wherever they stand.
  for (const int64_t distance : {1, 7}) {
    const auto products = (table.slice(0, 0, 100 - distance) * table.slice(0, distance, 100)).sum(1);
    EXPECT_LT((products - products[0]).abs().max().item<double>(), 1e-4);
  }
  EXPECT_NEAR(table.square().mean().sqrt().item<double>(), config.initializer_range, 1e-6);
  EXPECT_NEAR(table[3][0].item<double>(), config.initializer_range * std::sqrt(2.0) * std::sin(3.0), 1e-6);
}

TEST(Encode, WhatAttentionGivesCanBeChanged) {
  PaddedInput in;
  torch::NoGradGuard no_grad;
  auto model = make_model(tiny_config(), 3);
  model->eval();
  const auto before = model->hidden_states(in.ids);
  model->change_attention = [](const AttentionCall& call, torch::Tensor output) {
    EXPECT_EQ(output.sizes(), call.query.sizes());
    return call.layer == 1 ? output * 0 : output;
  };
  const auto changed = model->hidden_states(in.ids);
  EXPECT_GT(largest_difference(before, changed), 1e-3);
  // The same as without the values of that layer.
  model->change_attention = {};
  auto& layer = *model->layers[1];
  layer.qkv_weight.slice(0, 32, 48).zero_();
  layer.qkv_bias.slice(0, 32, 48).zero_();
  EXPECT_LT(largest_difference(model->hidden_states(in.ids), changed), 1e-5);
}

TEST(Encode, ProbeSeesEveryLayer) {
  PaddedInput in;
  torch::NoGradGuard no_grad;
  auto model = make_model(tiny_config(Variant::low, 0.7), 3);
  model->eval();
  std::vector<int64_t> layers;
  const auto hidden = model->hidden_states({in.ids, in.mask}, [&](const AttentionCall& call) {
    const auto& [layer, query, key, value, options] = call;
    EXPECT_EQ(value.sizes(), query.sizes());
    layers.push_back(layer);
    EXPECT_EQ(query.sizes(), (std::vector<int64_t>{2, 2, 9, 8}));
    EXPECT_EQ(key.sizes(), query.sizes());
    EXPECT_FALSE(torch::equal(query, key));
    EXPECT_EQ(options.strength, -0.7);
    EXPECT_TRUE(options.key_mask && options.key_mask->equal(in.mask));
  });
  EXPECT_EQ(layers, (std::vector<int64_t>{0, 1}));
  EXPECT_TRUE(same_bits(hidden, model->hidden_states({in.ids, in.mask})));
}

TEST(Encode, LengthAndIdsAreChecked) {
  auto model = make_model(tiny_config(), 3);
  const auto with = [&](const torch::Tensor& ids) { return error_of([&] { model->hidden_states(ids); }); };
  EXPECT_EQ(with(torch::zeros({1, 12}, torch::kLong)), "no error");
  EXPECT_EQ(with(torch::zeros({1, 13}, torch::kLong)),
            "the sequence has 13 tokens, the model's position table ends at 12");
  EXPECT_EQ(with(torch::tensor({{0, 49}}, torch::kLong)), "no error");
  EXPECT_EQ(with(torch::tensor({{1, 50}}, torch::kLong)),
            "token ids run from 1 to 50; the model's vocabulary has 50 (another tokenizer?)");
  EXPECT_EQ(with(torch::tensor({{-1, 8}}, torch::kLong)),
            "token ids run from -1 to 8; the model's vocabulary has 50 (another tokenizer?)");
  EXPECT_THROW(model->hidden_states(torch::zeros({1, 2}, torch::kInt)), Error);
  EXPECT_THROW(model->hidden_states(torch::zeros({2}, torch::kLong)), Error);
}

TEST(Head, LogitsAreProductsWithTheEmbeddingsOrTheDecoder) {
  torch::NoGradGuard no_grad;
  const auto hidden = torch::randn({5, 16});
  for (bool tied : {true, false}) {
    auto config = tiny_config();
    config.tie_word_embeddings = tied;
    auto model = make_model(config, 3);
    const auto before = model->logits(hidden);
    EXPECT_EQ(before.sizes(), (std::vector<int64_t>{5, 50}));
    model->word_embeddings[17].add_(1);
    auto change = (model->logits(hidden) - before).abs().amax(0) > 0;
    EXPECT_EQ(change[17].item<bool>(), tied);
    EXPECT_EQ(change.sum().item<int64_t>(), tied ? 1 : 0);
    model->head()->output_bias[3].add_(2.5);
    EXPECT_NEAR((model->logits(hidden) - before).select(1, 3).mean().item<double>(), 2.5, 1e-5);
  }
}

}  // namespace
}  // namespace saobp::model::testing
