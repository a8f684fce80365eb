// Strengths by layer and by head: in config.json, in every pass of a model, and learned.
#include <gtest/gtest.h>

#include <cmath>

#include "saobp/model/weights.h"
#include "tests/model/tools.h"

namespace saobp::model::testing {
namespace {

using attention::Variant;
using io::Json;

torch::Tensor random_ids(int64_t batch, int64_t length, uint64_t seed = 1) {
  return torch::randint(50, {batch, length}, at::make_generator<at::CPUGeneratorImpl>(seed), torch::kLong);
}

ModelConfig with_strengths(ModelConfig config, Strengths strengths) {
  config.refined_attention.strengths = std::move(strengths);
  return config;
}

Model model_of(const ModelConfig& config, torch::ScalarType type = torch::kFloat) {
  auto model = make_model(config, 3);
  model->to(type);
  model->eval();
  return model;
}

TEST(Strengths, AreReadFromAndWrittenToConfigJson) {
  const auto with = [](const char* text, Variant variant = Variant::high) {
    auto json = to_json(tiny_config(variant, variant == Variant::original ? 0 : 0.5));
    json["refined_attention"]["strengths"] = Json::parse(text);
    return json;
  };
  for (const char* text : {"[0.1,0.2]", "[[0.1,0.3],0.2]", "[[0.1,0.3],[0.0,20.0]]"}) {
    const auto config = config_from_json(with(text), "c.json");
    EXPECT_EQ(to_json(config)["refined_attention"]["strengths"].dump(), text);
    EXPECT_EQ(to_json(model_of(config)->current_config()), to_json(config)) << "floats are written as they were read";
  }
  EXPECT_FALSE(to_json(tiny_config())["refined_attention"].contains("strengths"));
  const auto error = [&](const char* text, Variant variant = Variant::high) {
    return error_of([&] { config_from_json(with(text, variant), "c.json"); });
  };
  const std::string name = "c.json: refined_attention: \"strengths\"";
  EXPECT_EQ(error("[0.1]"), name + ": 1 layers were given; the model has 2");
  EXPECT_EQ(error("[0.1, [0.1, 0.2, 0.3]]"),
            name + ": layer 1 was given 3 numbers; 1, or one for each of its 2 heads, was expected");
  EXPECT_EQ(error("[0.1, -0.1]"),
            name + ": -0.1 was given; a number from 0 to 20 was expected (low turns the sign by itself)");
  EXPECT_EQ(error("[0.1, \"a\"]"),
            name + " is [0.1,\"a\"]; a list with a number, or a list of numbers, for each layer " + "was expected");
  EXPECT_EQ(error("[0.1, 0.2]", Variant::original), name + ": 0.1 was given, but original attention has no strength");
}

// A head with λ = 0 is plain, and one with 0.5 is what the scalar makes it.
TEST(Strengths, EqualOnesEqualTheScalar) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 12);
  for (auto variant : {Variant::high, Variant::low})
    for (const auto& config : {tiny_config(variant, 0.5), tiny_gpt2(variant, 0.5)}) {
      const auto expected = model_of(config, torch::kDouble)->hidden_states(ids);
      for (const auto& strengths : {Strengths{{0.5}, {0.5}}, Strengths{{0.5, 0.5}, {0.5}}})
        EXPECT_LT(largest_difference(model_of(with_strengths(config, strengths), torch::kDouble)->hidden_states(ids),
                                     expected),
                  1e-13);
      for (const auto& strengths : {Strengths{{0.5}, {0.4}}, Strengths{{0.5, 0.4}, {0.5}}})
        EXPECT_GT(largest_difference(model_of(with_strengths(config, strengths), torch::kDouble)->hidden_states(ids),
                                     expected),
                  1e-5);
    }
}

TEST(Strengths, DecodingUsesThem) {
  const auto ids = random_ids(2, 12);
  for (auto variant : {Variant::high, Variant::low}) {
    auto model = model_of(with_strengths(tiny_gpt2(variant, 0.5), {{2.0, 0.1}, {0.7}}), torch::kDouble);
    model->learn_strengths();
    torch::NoGradGuard no_grad;
    for (double scale : {1.0, 0.25}) {
      model->strength_scale = scale;
      auto cache = new_cache(*model);
      const auto parts =
          torch::cat({decode(*model, ids.slice(1, 0, 5), cache), decode(*model, ids.slice(1, 5), cache)}, 1);
      EXPECT_LT(largest_difference(parts, model->hidden_states(ids)), 1e-12);
    }
  }
}

TEST(Strengths, GradientIsTheSlopeOfTheLoss) {
  const auto ids = random_ids(2, 9), targets = random_ids(2, 9, 2).reshape({-1});
  for (auto variant : {Variant::high, Variant::low})
    for (const auto& config : {tiny_config(variant), tiny_gpt2(variant)})
      for (const auto& strengths : {Strengths{{0.7}, {0.0}}, Strengths{{0.7, 3.0}, {0.0, 0.2}}}) {
        auto model = model_of(with_strengths(config, strengths), torch::kDouble);
        draw_every_tensor(model, 4);  // strengths too, which is as good
        model->strength_scale = 0.6;
        model->learn_strengths();
        const auto loss = [&] {
          return torch::cross_entropy_loss(model->logits(model->hidden_states(ids)).reshape({-1, 50}), targets);
        };
        loss().backward();
        torch::NoGradGuard no_grad;
        for (auto& lambda : model->layer_strengths)
          for (int64_t i = 0; i < lambda.numel(); ++i) {
            const double before = lambda[i].item<double>(), step = 1e-4;
            const auto moved = [&](double by) {
              lambda[i] = before + by;
              return loss().item<double>();
            };
            const double slope =
                (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step);
            lambda[i] = before;
            EXPECT_GT(std::abs(slope), 1e-6);
            EXPECT_NEAR(lambda.grad()[i].item<double>(), slope, 1e-10);
          }
      }
}

TEST(Strengths, AFolderCarriesWhatWasLearned) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 12);
  for (const auto& config : {tiny_config(), tiny_gpt2()}) {
    auto model = model_of(with_strengths(config, {{0.1, 0.2}, {0.3}}));
    model->layer_strengths[0][0] = 1.0f / 3;
    model->layer_strengths[1][0] = -0.5f;
    model->clamp_strengths();
    EXPECT_EQ(model->layer_strengths[1][0].item<float>(), 0);
    TempFolder folder;
    for (double scale : {1.0, 0.375}) {
      model->strength_scale = scale;
      save_model(model, folder.path());
      const auto loaded = load_model(folder.path());
      EXPECT_TRUE(loaded.unused.empty());
      EXPECT_TRUE(same_bits(loaded.model->layer_strengths[0], model->layer_strengths[0] * scale));
      EXPECT_TRUE(same_bits(loaded.model->hidden_states(ids), model->hidden_states(ids)));
    }
    auto other = model_of(with_strengths(config, {{0.1, 0.2}, {0.3}}));
    save_tensors(folder / "checkpoint.safetensors", checkpoint_tensors(model));
    load_checkpoint_tensors(other, folder / "checkpoint.safetensors");
    EXPECT_TRUE(same_bits(other->layer_strengths[0], model->layer_strengths[0]));
  }
}

TEST(Strengths, ScaleIsThatOfTheScalarToo) {
  torch::NoGradGuard no_grad;
  const auto ids = random_ids(2, 12);
  auto model = model_of(tiny_config(Variant::low, 0.5)), half = model_of(tiny_config(Variant::low, 0.25));
  model->strength_scale = 0.5;
  EXPECT_TRUE(same_bits(model->hidden_states(ids), half->hidden_states(ids)));
  EXPECT_EQ(to_json(model->current_config()), to_json(half->config));
  EXPECT_EQ(model->strengths(), (Strengths{{0.25}, {0.25}}));
}

}  // namespace
}  // namespace saobp::model::testing
