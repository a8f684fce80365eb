// config.json, presets, and weights between modules and files.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "saobp/model/weights.h"
#include "tests/model/tools.h"

namespace saobp::model::testing {
namespace {

using attention::Variant;
using io::Json;

TEST(Config, PresetsHaveTheParametersOfTable4) {
  EXPECT_EQ(model_preset("bert-mini").parameters(), 11'201'594);
  EXPECT_EQ(model_preset("bert-small").parameters(), 28'795'194);
  EXPECT_EQ(model_preset("bert-medium").parameters(), 41'404'730);
}

TEST(Config, ParametersAreThoseOfTheModules) {
  for (bool tied : {true, false}) {
    auto config = tiny_config();
    config.tie_word_embeddings = tied, config.type_vocab_size = 3;
    auto model = make_model(config, 1);
    int64_t count = 0;
    for (const auto& parameter : model->parameters()) count += parameter.numel();
    EXPECT_EQ(count, config.parameters()) << "tied: " << tied;
  }
}

TEST(Config, DefaultStrengthShrinksWithTheModel) {
  EXPECT_EQ(default_strength(1), 0.2);
  EXPECT_EQ(default_strength(11'000'000), 0.2);
  EXPECT_DOUBLE_EQ(default_strength(44'000'000), 0.05);
  // The paper's 0.2, 0.08 and 0.05 to one figure.
  EXPECT_NEAR(default_strength(model_preset("bert-mini").parameters()), 0.2, 0.005);
  EXPECT_NEAR(default_strength(model_preset("bert-small").parameters()), 0.08, 0.005);
  EXPECT_NEAR(default_strength(model_preset("bert-medium").parameters()), 0.05, 0.005);
}

TEST(Config, StrengthIsChecked) {
  const auto check = [](Variant variant, double strength) {
    return error_of([&] { check_strength(variant, strength, "--strength"); });
  };
  for (auto variant : {Variant::high, Variant::low})
    for (double strength : {0.0, 0.2, 20.0}) EXPECT_EQ(check(variant, strength), "no error");
  EXPECT_EQ(check(Variant::original, 0), "no error");
  const std::string range = "; a number from 0 to 20 was expected (low turns the sign by itself)";
  EXPECT_EQ(check(Variant::low, -0.5), "usage: --strength: -0.5 was given" + range);
  EXPECT_EQ(check(Variant::high, 20.5), "usage: --strength: 20.5 was given" + range);
  EXPECT_EQ(check(Variant::high, std::nan("")), "usage: --strength: nan was given" + range);
  EXPECT_EQ(check(Variant::elemmul, 0.1), "usage: --strength: 0.1 was given, but elemmul attention has no strength");
  EXPECT_EQ(check(Variant::original, 1), "usage: --strength: 1 was given, but original attention has no strength");
}

TEST(Config, JsonRoundTrip) {
  ModelConfig config;
  config.vocab_size = 101, config.hidden_size = 24, config.num_hidden_layers = 3, config.num_attention_heads = 6;
  config.intermediate_size = 40, config.max_position_embeddings = 33, config.type_vocab_size = 4;
  config.pad_token_id = 7, config.hidden_dropout_prob = 0.2, config.attention_probs_dropout_prob = 0.3;
  config.initializer_range = 0.05, config.layer_norm_eps = 1e-6, config.hidden_act = "gelu_new";
  config.tie_word_embeddings = false, config.refined_attention = {Variant::low, 0.7, false};
  config.trained_positions = 9;
  const auto back = config_from_json(Json::parse(to_json(config).dump()), "config.json");
  EXPECT_EQ(to_json(back), to_json(config));
  EXPECT_EQ(std::tuple(back.vocab_size, back.hidden_size, back.num_hidden_layers, back.num_attention_heads,
                       back.intermediate_size, back.max_position_embeddings, back.type_vocab_size, back.pad_token_id),
            std::tuple(101, 24, 3, 6, 40, 33, 4, 7));
  EXPECT_EQ(std::tuple(back.hidden_dropout_prob, back.attention_probs_dropout_prob, back.initializer_range,
                       back.layer_norm_eps, back.hidden_act, back.tie_word_embeddings),
            std::tuple(0.2, 0.3, 0.05, 1e-6, std::string("gelu_new"), false));
  EXPECT_EQ(back.refined_attention.attention, Variant::low);
  EXPECT_EQ(std::pair(back.trained_positions, back.trained_length()), std::pair(int64_t{9}, int64_t{9}));
  EXPECT_EQ(back.refined_attention.strength, 0.7);
  EXPECT_FALSE(back.refined_attention.exclude_self);
}

TEST(Config, WhatOthersLeaveOutHasTransformersDefaults) {
  const auto json = Json::parse(
      R"({"model_type": "bert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
          "intermediate_size": 4, "max_position_embeddings": 5, "pad_token_id": null})");
  const auto config = config_from_json(json, "config.json");
  EXPECT_EQ(config.refined_attention.attention, Variant::original);
  EXPECT_EQ(config.refined_attention.strength, 0);
  EXPECT_EQ(std::tuple(config.type_vocab_size, config.pad_token_id, config.hidden_dropout_prob, config.layer_norm_eps,
                       config.hidden_act, config.tie_word_embeddings),
            std::tuple(2, 0, 0.1, 1e-12, std::string("gelu"), true));
}

TEST(Config, ErrorsNameFileKeyAndValue) {
  const auto with = [](const char* pointer, Json value) {
    auto json = to_json(tiny_config());
    json[Json::json_pointer(pointer)] = std::move(value);
    return error_of([&] { config_from_json(json, "c.json"); });
  };
  EXPECT_EQ(with("/model_type", "llama"),
            "c.json: \"model_type\" is \"llama\"; \"bert\", \"gpt2\", \"roberta\", \"distilbert\" or \"electra\" was "
            "expected");
  EXPECT_EQ(with("/is_decoder", true), "c.json: \"is_decoder\" is true; false was expected");
  EXPECT_EQ(with("/position_embedding_type", "relative_key"),
            "c.json: \"position_embedding_type\" is \"relative_key\"; \"absolute\" was expected");
  EXPECT_EQ(with("/hidden_size", 16.5), "c.json: \"hidden_size\" is a number; an integer was expected");
  EXPECT_EQ(with("/num_hidden_layers", 0), "c.json: \"num_hidden_layers\" is 0; a number from 1 to 4096 was expected");
  EXPECT_EQ(with("/vocab_size", 1 << 29),
            "c.json: \"vocab_size\" is 536870912; a number from 1 to 268435456 was expected");
  EXPECT_EQ(with("/num_attention_heads", 3), "c.json: hidden_size 16 is not a multiple of num_attention_heads 3");
  EXPECT_EQ(with("/hidden_dropout_prob", 1),
            "c.json: \"hidden_dropout_prob\" is 1; a number from 0 to below 1 was expected");
  EXPECT_EQ(with("/attention_probs_dropout_prob", -0.1),
            "c.json: \"attention_probs_dropout_prob\" is -0.1; a number from 0 to below 1 was expected");
  EXPECT_EQ(with("/layer_norm_eps", 0), "c.json: \"layer_norm_eps\" is 0; it must be positive");
  EXPECT_EQ(with("/pad_token_id", 50), "c.json: \"pad_token_id\" is 50, outside of the vocabulary of 50");
  EXPECT_EQ(with("/trained_positions", 13),
            "c.json: \"trained_positions\" is 13; a number from 0 to 12, where the position table ends, was expected");
  EXPECT_EQ(with("/hidden_act", "silu"), "c.json: \"hidden_act\" is \"silu\"; gelu, gelu_new or relu was expected");
  EXPECT_EQ(with("/refined_attention/attention", "hgih"),
            "c.json: refined_attention: \"attention\": \"hgih\" is not known; original, high, low or elemmul was "
            "expected; did you mean high?");
  EXPECT_EQ(with("/refined_attention/strength", nullptr),
            "c.json: refined_attention: \"strength\" is null; a number was expected");
  EXPECT_EQ(with("/refined_attention/strength", 21),
            "c.json: refined_attention: \"strength\": 21 was given; a number from 0 to 20 was expected (low turns "
            "the sign by itself)");
  auto json = to_json(tiny_config());
  json.erase("intermediate_size");
  EXPECT_EQ(config_from_json(json, "c.json").intermediate_size, 3072) << "transformers' default";
  json.erase("model_type");
  EXPECT_EQ(error_of([&] { config_from_json(json, "c.json"); }), "c.json: \"model_type\" is missing");
}

TEST(Initialisation, IsBertsAndDrawnFromTheSeed) {
  auto config = tiny_config();
  config.initializer_range = 0.02, config.vocab_size = 2000, config.pad_token_id = 3;
  auto model = make_model(config, 5), same = make_model(config, 5), other = make_model(config, 6);
  for (const auto& item : model->named_parameters()) {
    const auto& value = item.value();
    EXPECT_TRUE(same_bits(value, same->named_parameters()[item.key()])) << item.key();
    if (value.dim() == 1) {
      EXPECT_TRUE((value == (item.key().ends_with("LayerNorm_weight") ? 1 : 0)).all().item<bool>()) << item.key();
      continue;
    }
    EXPECT_FALSE(same_bits(value, other->named_parameters()[item.key()])) << item.key();
    // Five standard errors of the mean and of the standard deviation.
    const double n = static_cast<double>(value.numel()), sd = 0.02;
    EXPECT_NEAR(value.mean().item<double>(), 0, 5 * sd / std::sqrt(n)) << item.key();
    EXPECT_NEAR(value.std().item<double>(), sd, 5 * sd / std::sqrt(2 * n)) << item.key();
  }
  EXPECT_TRUE((model->word_embeddings[3] == 0).all().item<bool>()) << "padding";
  EXPECT_FALSE((model->word_embeddings[0] == 0).any().item<bool>());
}

torch::Tensor some_ids() { return torch::arange(2 * 7, torch::kLong).reshape({2, 7}) * 3 + 4; }

// Hidden states, and logits where there is a head.
torch::Tensor outputs(const Model& model) {
  torch::NoGradGuard no_grad;
  model->eval();
  auto hidden = model->hidden_states(some_ids());
  return model->has_language_head() ? torch::cat({hidden, model->logits(hidden)}, -1) : hidden;
}

TEST(Weights, SaveAndLoadInEveryBit) {
  for (bool tied : {true, false}) {
    TempFolder folder;
    auto config = tiny_config();
    config.tie_word_embeddings = tied;
    auto model = make_model(config, 7);
    {
      torch::NoGradGuard no_grad;  // biases that are not all zero, so that a swap shows
      for (auto& parameter : model->parameters()) parameter.add_(torch::rand_like(parameter) * 0.1);
    }
    save_model(model, folder.path());
    auto loaded = load_model(folder.path());
    EXPECT_TRUE(!tied || loaded.unused.empty());
    EXPECT_FALSE(loaded.model->is_training());
    EXPECT_EQ(to_json(loaded.model->config), to_json(config));
    auto expected = named_weights(model), found = named_weights(loaded.model);
    // 5 of the embeddings, 16 a layer, 5 of the head, and the decoder.
    EXPECT_EQ(expected.size(), 5u + 2 * 16 + 5 + (tied ? 0 : 1));
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].first, expected[i].first);
      EXPECT_TRUE(same_bits(found[i].second, expected[i].second)) << found[i].first;
    }
    EXPECT_TRUE(same_bits(outputs(loaded.model), outputs(model)));
  }
}

TEST(Weights, NamedWeightsAreViewsThatCoverTheModel) {
  auto model = make_model(tiny_config(), 7);
  int64_t count = 0;
  for (auto& [name, tensor] : named_weights(model)) {
    count += tensor.numel();
    tensor.fill_(2);
    if (name == "bert.encoder.layer.1.attention.self.key.bias") tensor.fill_(3);
  }
  EXPECT_EQ(count, model->config.parameters());
  for (const auto& item : model->named_parameters()) {
    if (item.key() == "layer_1.attention_self_qkv_bias") {
      EXPECT_TRUE((item.value().reshape({3, 16}).select(1, 0) == torch::tensor({2, 3, 2})).all().item<bool>());
    } else {
      EXPECT_TRUE((item.value() == 2).all().item<bool>()) << item.key();
    }
  }
}

// Saves `tensors` and `config` as a folder that load_model reads.
void write_folder(const TempFolder& folder, const ModelConfig& config, const TensorList& tensors) {
  save_tensors(folder / "model.safetensors", tensors);
  io::write_json(folder / "config.json", to_json(config));
}

void replace(std::string& text, const std::string& old, const std::string& by) {
  if (auto at = text.find(old); at != std::string::npos) text.replace(at, old.size(), by);
}

TEST(Weights, OldNamesOfLayerNormAndABareBertModel) {
  auto model = make_model(tiny_config(), 7);
  for (bool bare : {false, true}) {
    TempFolder folder;
    TensorList old;
    for (auto [name, tensor] : named_weights(model)) {
      if (bare && name.starts_with("cls.")) continue;
      if (bare) replace(name, "bert.", "");
      replace(name, "LayerNorm.weight", "LayerNorm.gamma"), replace(name, "LayerNorm.bias", "LayerNorm.beta");
      old.emplace_back(name, tensor);
    }
    old.emplace_back(bare ? "pooler.dense.bias" : "bert.pooler.dense.bias", torch::zeros({16}));
    write_folder(folder, model->config, old);
    auto loaded = load_model(folder.path());
    EXPECT_EQ(loaded.unused, std::vector{old.back().first});
    EXPECT_EQ(loaded.model->has_language_head(), !bare);
    auto expected = outputs(model);
    EXPECT_TRUE(same_bits(outputs(loaded.model), bare ? expected.slice(-1, 0, 16) : expected));
    if (bare) {
      EXPECT_EQ(error_of([&] { loaded.model->logits(torch::zeros({1, 16})); }),
                "this checkpoint has no masked-LM head (tensor cls.predictions.transform.dense.weight)");
    }
  }
}

TEST(Weights, AnUntiedDecoderBringsItsOwnBias) {
  auto config = tiny_config();
  config.tie_word_embeddings = false;
  auto model = make_model(config, 7);
  TempFolder folder;
  auto tensors = named_weights(model);
  const auto bias = torch::arange(50, torch::kFloat);
  tensors.emplace_back("cls.predictions.decoder.bias", bias);
  write_folder(folder, config, tensors);
  auto loaded = load_model(folder.path());
  EXPECT_TRUE(same_bits(loaded.model->language_head().projection().bias, bias));
  // Whatever config.json says: a head that was trained by itself.
  config.tie_word_embeddings = true;
  write_folder(folder, config, tensors);
  auto own = load_model(folder.path());
  ASSERT_EQ(own.notes.size(), 1u);
  EXPECT_NE(own.notes[0].find("the head has weights of its own"), std::string::npos);
  EXPECT_TRUE(same_bits(own.model->language_head().projection().weight, model->head()->output_weight));
  EXPECT_TRUE(own.unused.empty());
  // A copy of the word embeddings is tied to them, and the head's own bias counts.
  for (auto& [name, tensor] : tensors)
    if (name == "cls.predictions.decoder.weight") tensor = model->word_embeddings.detach();
  write_folder(folder, config, tensors);
  auto tied = load_model(folder.path());
  EXPECT_TRUE(tied.notes.empty() && tied.unused.empty());
  EXPECT_FALSE(tied.model->head()->output_weight.defined());
  EXPECT_TRUE(same_bits(tied.model->language_head().projection().bias, torch::zeros({50})));
}

TEST(Weights, OtherTypesBecomeFloat) {
  for (auto type : {torch::kDouble, torch::kHalf, torch::kBFloat16}) {
    auto model = make_model(tiny_config(), 7);
    TempFolder folder;
    TensorList tensors;
    for (const auto& [name, tensor] : named_weights(model)) tensors.emplace_back(name, tensor.to(type));
    write_folder(folder, model->config, tensors);
    for (const auto& [name, tensor] : load_tensors(folder / "model.safetensors")) EXPECT_EQ(tensor.scalar_type(), type);
    auto loaded = load_model(folder.path());
    auto found = named_weights(loaded.model);
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_TRUE(same_bits(found[i].second, tensors[i].second.to(torch::kFloat))) << tensors[i].first;
  }
}

TEST(Weights, MissingAndMisshapenTensorsAreNamed) {
  auto model = make_model(tiny_config(), 7);
  TempFolder folder;
  const std::string file = (folder / "model.safetensors").string();
  const auto load = [&](const std::string& name, const torch::Tensor& instead) {
    TensorList tensors;
    for (const auto& item : named_weights(model))
      if (item.first != name)
        tensors.push_back(item);
      else if (instead.defined())
        tensors.emplace_back(name, instead);
    write_folder(folder, model->config, tensors);
    return error_of([&] { load_model(folder.path()); });
  };
  for (const std::string name :
       {"bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.attention.self.value.bias",
        "bert.encoder.layer.0.output.LayerNorm.weight", "cls.predictions.transform.dense.weight"})
    EXPECT_EQ(load(name, {}), file + ": tensor " + name + " is missing");
  EXPECT_EQ(load("bert.encoder.layer.1.attention.self.key.weight", torch::zeros({16, 8})),
            file +
                ": tensor bert.encoder.layer.1.attention.self.key.weight: has shape [16, 8]; config.json asks for "
                "[16, 16]");
  EXPECT_EQ(load("bert.encoder.layer.0.output.dense.bias", torch::zeros({1})),
            file + ": tensor bert.encoder.layer.0.output.dense.bias: has shape [1]; config.json asks for [16]");
}

TEST(Weights, AFolderWithoutSafetensors) {
  TempFolder folder;
  io::write_json(folder / "config.json", to_json(tiny_config()));
  const std::string file = (folder / "model.safetensors").string();
  EXPECT_NE(error_of([&] { load_model(folder.path()); }).find(file), std::string::npos);
  std::ofstream(folder / "pytorch_model.bin") << "x";
  EXPECT_EQ(error_of([&] { load_model(folder.path()); }),
            file + ": is missing; pytorch_model.bin is a pickle and is not read: save the model as safetensors");
}

}  // namespace
}  // namespace saobp::model::testing
