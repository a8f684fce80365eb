// QK-norm and σReparam: what they compute, their gradients, and their files.
#include <gtest/gtest.h>

#include <cmath>

#include "saobp/model/weights.h"
#include "tests/model/tools.h"

namespace saobp::model::testing {
namespace {

torch::Tensor random_ids(int64_t batch, int64_t length, uint64_t seed = 1) {
  return torch::randint(50, {batch, length}, at::make_generator<at::CPUGeneratorImpl>(seed), torch::kLong);
}

std::vector<ModelConfig> configs(bool qk_norm, bool sigma_reparam) {
  std::vector<ModelConfig> all = {tiny_config(), tiny_gpt2()};
  for (auto& config : all) config.refined_attention.qk_norm = qk_norm, config.sigma_reparam = sigma_reparam;
  return all;
}

Model drawn(const ModelConfig& config, torch::ScalarType type = torch::kFloat) {
  auto model = make_model(config, 3);
  draw_every_tensor(model, 4);
  model->to(type);
  model->eval();
  return model;
}

// Singular values of the matrices that are packed in a weight, largest first.
torch::Tensor singular_values(const torch::Tensor& weight, int64_t matrices) {
  return torch::linalg_svdvals(weight.detach().view({matrices, -1, weight.size(1)}));
}

TEST(QkNorm, QueriesAndKeysHaveTheGainsLength) {
  for (const auto& config : configs(true, false)) {
    auto model = drawn(config, torch::kDouble);
    model->hidden_states(random_ids(2, 9), [&](const AttentionCall& call) {
      // Without the gain the mean square is 1, up to ε.
      const auto& layer = *model->layers[static_cast<size_t>(call.layer)];
      for (const auto& x : {call.query / layer.query_norm_weight, call.key / layer.key_norm_weight})
        EXPECT_LT(largest_difference(x.square().mean(-1), torch::ones({2, 2, 9})), 1e-4);
    });
    int64_t numbers = 0;
    for (const auto& parameter : model->parameters()) numbers += parameter.numel();
    EXPECT_EQ(config.parameters(), numbers);
  }
}

TEST(QkNorm, LengthOfTheProjectionsDoesNotMatter) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 9);
  for (const auto& config : configs(true, false)) {
    auto model = drawn(config, torch::kDouble);
    const auto before = model->hidden_states(ids);
    for (auto& layer : model->layers) {
      layer->qkv_weight.slice(0, 0, 32).mul_(30);
      layer->qkv_bias.slice(0, 0, 32).mul_(30);
    }
    EXPECT_LT(largest_difference(model->hidden_states(ids), before), 1e-3);
  }
}

TEST(SigmaReparam, TheLargestSingularValueIsTheGain) {
  torch::NoGradGuard no_grad;
  for (const auto& config : configs(false, true)) {
    auto model = make_model(config, 3);
    for (auto& layer : model->layers)
      for (auto matrix : {kQkv, kOutput, kUp, kDown}) {
        const auto values = singular_values(layer->weight(matrix), matrix == kQkv ? 3 : 1).select(1, 0);
        EXPECT_LT(largest_difference(values, torch::ones_like(values)), 1e-5) << matrix;
        layer->sigma[matrix]->gain.fill_(0.7);
        layer->stored_weight(matrix).mul_(5).add_(0.05);
      }
    // Power iteration follows a weight that has moved.
    for (int i = 0; i < 200; ++i) model->iterate_sigma();
    for (auto& layer : model->layers)
      for (auto matrix : {kQkv, kOutput, kUp, kDown}) {
        const auto values = singular_values(layer->weight(matrix), matrix == kQkv ? 3 : 1).select(1, 0);
        EXPECT_LT(largest_difference(values, torch::full_like(values, 0.7)), 1e-4) << matrix;
      }
  }
}

TEST(Baselines, GradientIsTheSlopeOfTheLoss) {
  const auto ids = random_ids(2, 9), targets = random_ids(2, 9, 2).reshape({-1});
  for (auto [qk_norm, sigma_reparam] : {std::pair(true, false), std::pair(false, true), std::pair(true, true)})
    for (const auto& config : configs(qk_norm, sigma_reparam)) {
      auto model = drawn(config, torch::kDouble);
      const auto loss = [&] {
        return torch::cross_entropy_loss(model->logits(model->hidden_states(ids)).reshape({-1, 50}), targets);
      };
      loss().backward();
      torch::NoGradGuard no_grad;
      for (auto& item : model->named_parameters()) {
        auto& parameter = item.value();
        ASSERT_TRUE(parameter.grad().defined()) << item.key();
        EXPECT_GT(parameter.grad().abs().max().item<double>(), 1e-7) << item.key();
        const auto direction = torch::sin(torch::arange(parameter.numel(), torch::kDouble)).reshape(parameter.sizes());
        const double step = 1e-5, expected = (parameter.grad() * direction).sum().item<double>();
        const auto moved = [&](double by) {
          parameter.add_(direction, by);
          const double value = loss().item<double>();
          parameter.add_(direction, -by);
          return value;
        };
        EXPECT_NEAR((moved(step) - moved(-step)) / (2 * step), expected, 1e-6 * std::max(1.0, std::abs(expected)))
            << item.key();
      }
    }
}

// A folder of σReparam is a plain model; a checkpoint is not.
TEST(Baselines, FilesGiveTheSameModel) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 9);
  for (auto [qk_norm, sigma_reparam] : {std::pair(true, false), std::pair(false, true), std::pair(true, true)})
    for (auto config : configs(qk_norm, sigma_reparam)) {
      auto model = drawn(config);
      for (int i = 0; i < 3; ++i) model->iterate_sigma();
      TempFolder folder;
      save_model(model, folder.path());
      const auto loaded = load_model(folder.path());
      EXPECT_TRUE(loaded.unused.empty());
      EXPECT_FALSE(loaded.model->config.sigma_reparam);
      EXPECT_EQ(loaded.model->config.refined_attention.qk_norm, qk_norm);
      EXPECT_TRUE(same_bits(loaded.model->hidden_states(ids), model->hidden_states(ids)));

      save_tensors(folder / "checkpoint.safetensors", checkpoint_tensors(model));
      auto other = make_model(config, 77);
      other->eval();
      EXPECT_GT(largest_difference(other->hidden_states(ids), model->hidden_states(ids)), 1e-3);
      load_checkpoint_tensors(other, folder / "checkpoint.safetensors");
      for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(same_bits(other->hidden_states(ids), model->hidden_states(ids)));
        model->iterate_sigma(), other->iterate_sigma();
      }
    }
}

TEST(Baselines, DecodingEqualsThePassOverTheWholeSequence) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 12);
  auto model = drawn(configs(true, true)[1], torch::kDouble);
  auto cache = new_cache(*model);
  const auto parts = torch::cat({decode(*model, ids.slice(1, 0, 5), cache), decode(*model, ids.slice(1, 5), cache)}, 1);
  EXPECT_LT(largest_difference(parts, model->hidden_states(ids)), 1e-12);
}

TEST(Baselines, AFolderWithoutItsGainsIsRefused) {
  for (const auto& config : configs(true, false)) {
    TempFolder folder;
    save_model(drawn(config), folder.path());
    auto json = io::read_json(folder / "config.json");
    json["refined_attention"].erase("qk_norm");
    io::write_json(folder / "config.json", json);
    EXPECT_NE(error_of([&] { load_model(folder.path()); }).find("norm.weight has no place in the 2 layers"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace saobp::model::testing
