// GPT-2's config.json, presets, first weights, and its tensors in files.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "saobp/io/npy.h"
#include "saobp/model/weights.h"
#include "tests/model/tools.h"

namespace saobp::model::testing {
namespace {

using attention::Variant;
using io::Json;

TEST(Gpt2Config, PresetsHaveTheShapesOfTable4) {
  // 50,257 and 1,024 rows of embeddings, layers of 12 C² + 13 C, and the last LayerNorm.
  EXPECT_EQ(model_preset("gpt2-mini").parameters(), (50257 + 1024) * 256 + 4 * (12 * 256 * 256 + 13 * 256) + 2 * 256);
  EXPECT_EQ(model_preset("gpt2-small").parameters(), (50257 + 1024) * 512 + 4 * (12 * 512 * 512 + 13 * 512) + 2 * 512);
  EXPECT_EQ(model_preset("gpt2-medium").parameters(), (50257 + 1024) * 512 + 8 * (12 * 512 * 512 + 13 * 512) + 2 * 512);
  EXPECT_EQ(model_preset("gpt2-small").num_attention_heads, 8);
  EXPECT_EQ(model_preset("gpt2-mini").eos_token_ids, std::vector<int64_t>{50256});
  EXPECT_EQ(error_of([] { model_preset("gpt2-large"); }),
            "usage: --model: \"gpt2-large\" is not known; bert-mini, bert-small, bert-medium, gpt2-mini, gpt2-small or "
            "gpt2-medium was expected");
}

TEST(Gpt2Config, DefaultStrengthIsThatOfTheBertOfItsShape) {
  for (const std::string size : {"mini", "small", "medium"})
    EXPECT_EQ(default_strength(model_preset("gpt2-" + size)), default_strength(model_preset("bert-" + size))) << size;
  EXPECT_LT(default_strength(model_preset("gpt2-medium").parameters()), default_strength(model_preset("gpt2-medium")));
}

TEST(Gpt2Config, ParametersAreThoseOfTheModules) {
  for (bool tied : {true, false}) {
    auto config = tiny_gpt2();
    config.tie_word_embeddings = tied;
    int64_t count = 0;
    for (const auto& parameter : make_model(config, 1)->parameters()) count += parameter.numel();
    EXPECT_EQ(count, config.parameters()) << "tied: " << tied;
  }
}

TEST(Gpt2Config, JsonRoundTripUnderGpt2sNames) {
  auto config = tiny_gpt2(Variant::low, 0.7);
  config.hidden_dropout_prob = 0.2, config.attention_probs_dropout_prob = 0.3, config.embedding_dropout_prob = 0.4;
  config.eos_token_ids = {7}, config.tie_word_embeddings = false, config.initializer_range = 0.05;
  const auto json = Json::parse(to_json(config).dump());
  EXPECT_EQ(std::tuple(json["model_type"], json["n_embd"], json["n_layer"], json["n_head"], json["n_inner"],
                       json["n_positions"], json["resid_pdrop"], json["attn_pdrop"], json["embd_pdrop"]),
            std::tuple("gpt2", 16, 2, 2, 24, 12, 0.2, 0.3, 0.4));
  EXPECT_EQ(std::tuple(json["activation_function"], json["layer_norm_epsilon"], json["eos_token_id"]),
            std::tuple("gelu_new", 1e-5, 7));
  EXPECT_FALSE(json.contains("hidden_size") || json.contains("type_vocab_size") || json.contains("pad_token_id"));
  const auto back = config_from_json(json, "config.json");
  EXPECT_EQ(to_json(back), to_json(config));
  EXPECT_TRUE(back.causal());
  EXPECT_EQ(back.eos_token_ids, std::vector<int64_t>{7});
}

TEST(Gpt2Config, WhatOthersLeaveOutHasTransformersDefaults) {
  const auto json = Json::parse(R"({"model_type": "gpt2", "vocab_size": 9, "n_embd": 8, "n_layer": 1, "n_head": 2,
                                    "n_positions": 5, "n_inner": null, "eos_token_id": 50256})");
  const auto config = config_from_json(json, "config.json");
  EXPECT_EQ(std::tuple(config.intermediate_size, config.hidden_act, config.layer_norm_eps, config.tie_word_embeddings),
            std::tuple(32, std::string("gelu_new"), 1e-5, true));
  EXPECT_EQ(std::tuple(config.hidden_dropout_prob, config.embedding_dropout_prob), std::tuple(0.1, 0.1));
  EXPECT_EQ(config.refined_attention.attention, Variant::original);
  EXPECT_TRUE(config.eos_token_ids.empty()) << "outside of the vocabulary it ends nothing";
}

TEST(Gpt2Config, ErrorsNameFileKeyAndValue) {
  const auto with = [](const char* key, Json value) {
    auto json = to_json(tiny_gpt2());
    json[key] = std::move(value);
    return error_of([&] { config_from_json(json, "c.json"); });
  };
  EXPECT_EQ(with("n_layer", 0), "c.json: \"n_layer\" is 0; a number from 1 to 4096 was expected");
  EXPECT_EQ(with("n_inner", 0), "c.json: \"n_inner\" is 0; a number from 1 to 4194304 was expected");
  EXPECT_EQ(with("n_head", 3), "c.json: n_embd 16 is not a multiple of n_head 3");
  EXPECT_EQ(with("embd_pdrop", 1), "c.json: \"embd_pdrop\" is 1; a number from 0 to below 1 was expected");
  EXPECT_EQ(with("layer_norm_epsilon", 0), "c.json: \"layer_norm_epsilon\" is 0; it must be positive");
  EXPECT_EQ(with("activation_function", "silu"),
            "c.json: \"activation_function\" is \"silu\"; gelu, gelu_new or relu was expected");
  EXPECT_EQ(with("scale_attn_weights", 1), "c.json: \"scale_attn_weights\" is an integer; true or false was expected");
  EXPECT_EQ(with("add_cross_attention", true), "c.json: \"add_cross_attention\" is true; false was expected");
  EXPECT_EQ(with("model_type", "llama"),
            "c.json: \"model_type\" is \"llama\"; \"bert\", \"gpt2\", \"roberta\", \"distilbert\" or \"electra\" was "
            "expected");
}

TEST(Gpt2Initialisation, ResidualProjectionsAreSmallerByTheNumberOfLayers) {
  auto config = tiny_gpt2();
  config.initializer_range = 0.02, config.vocab_size = 2000, config.hidden_size = 64, config.intermediate_size = 256;
  auto model = make_model(config, 5), same = make_model(config, 5);
  for (const auto& item : model->named_parameters()) {
    const auto& value = item.value();
    EXPECT_TRUE(same_bits(value, same->named_parameters()[item.key()])) << item.key();
    if (value.dim() == 1) {
      EXPECT_TRUE((value == (item.key().ends_with("LayerNorm_weight") ? 1 : 0)).all().item<bool>()) << item.key();
      continue;
    }
    // c_proj of attention and feed-forward in transformers' names: 0.02 / √(2 · 2 layers).
    const double sd = item.key().ends_with("output_dense_weight") ? 0.01 : 0.02, n = static_cast<double>(value.numel());
    EXPECT_NEAR(value.mean().item<double>(), 0, 5 * sd / std::sqrt(n)) << item.key();
    EXPECT_NEAR(value.std().item<double>(), sd, 5 * sd / std::sqrt(2 * n)) << item.key();
  }
}

torch::Tensor some_ids() { return torch::arange(2 * 7, torch::kLong).reshape({2, 7}) * 3 + 4; }

torch::Tensor logits(const Model& model) {
  torch::NoGradGuard no_grad;
  model->eval();
  return model->logits(model->hidden_states(some_ids()));
}

// Where SAOBP_KEEP names a folder the checkpoint and its logits stay there, for a test in Python to read.
TEST(Gpt2Weights, SaveAndLoadInEveryBit) {
  for (bool tied : {true, false}) {
    TempFolder temporary;
    const char* keep = std::getenv("SAOBP_KEEP");
    const std::filesystem::path folder = keep && tied ? keep : temporary.path();
    auto config = tiny_gpt2(Variant::original, 0);
    config.tie_word_embeddings = tied;
    auto model = make_model(config, 7);
    draw_every_tensor(model, 8);
    save_model(model, folder);
    auto loaded = load_model(folder);
    EXPECT_TRUE(loaded.unused.empty());
    EXPECT_FALSE(loaded.model->is_training());
    EXPECT_EQ(to_json(loaded.model->config), to_json(config));
    // 2 embeddings, 12 a layer, 2 of the last LayerNorm, and the head.
    EXPECT_EQ(named_weights(model).size(), 2u + 2 * 12 + 2 + (tied ? 0 : 1));
    const auto expected = logits(model), found = logits(loaded.model);
    EXPECT_TRUE(same_bits(found, expected));
    const auto values = expected.contiguous();
    io::write_npy(folder / "logits.npy", "<f4", values.sizes().vec(),
                  {static_cast<const std::byte*>(values.const_data_ptr()), static_cast<size_t>(values.nbytes())});
  }
}

TEST(Gpt2Weights, NamedWeightsAreViewsInTheLayoutOfConv1D) {
  auto model = make_model(tiny_gpt2(), 7);
  int64_t count = 0;
  for (auto& [name, tensor] : named_weights(model)) {
    count += tensor.numel();
    if (name == "transformer.h.1.attn.c_attn.weight") {
      EXPECT_EQ(tensor.sizes(), (std::vector<int64_t>{16, 48}));
      tensor.zero_();
      tensor[3].slice(0, 16, 32).fill_(5);  // from input channel 3 to all of the key's
    }
    if (name == "transformer.h.1.mlp.c_proj.weight") {
      EXPECT_EQ(tensor.sizes(), (std::vector<int64_t>{24, 16}));
    }
  }
  EXPECT_EQ(count, model->config.parameters());
  const auto& packed = model->layers[1]->qkv_weight;
  EXPECT_EQ(packed.sum().item<float>(), 16 * 5);
  EXPECT_TRUE((packed.slice(0, 16, 32).select(1, 3) == 5).all().item<bool>());
}

TEST(Gpt2Weights, OldFilesOfABareModelWithItsMasks) {
  auto model = make_model(tiny_gpt2(), 7);
  draw_every_tensor(model, 8);
  TensorList old;
  for (const auto& [name, tensor] : named_weights(model)) old.emplace_back(name.substr(12), tensor);
  old.emplace_back("h.0.attn.bias", torch::ones({1, 1, 12, 12}));
  TempFolder folder;
  io::write_json(folder / "config.json", to_json(model->config));
  save_tensors(folder / "model.safetensors", old);
  auto loaded = load_model(folder.path());
  EXPECT_EQ(loaded.unused, std::vector<std::string>{"h.0.attn.bias"});
  EXPECT_TRUE(same_bits(logits(loaded.model), logits(model)));
}

TEST(Gpt2Weights, WhatIsMissingOrTooMuchIsNamed) {
  auto config = tiny_gpt2();
  config.tie_word_embeddings = false;
  auto model = make_model(config, 7);
  TempFolder folder;
  const std::string file = (folder / "model.safetensors").string();
  const auto load = [&](const std::string& without, const TensorList& more) {
    TensorList tensors = more;
    for (const auto& item : named_weights(model))
      if (item.first != without) tensors.push_back(item);
    io::write_json(folder / "config.json", to_json(config));
    save_tensors(file, tensors);
    return error_of([&] { logits(load_model(folder.path()).model); });
  };
  const std::string conv = "transformer.h.1.mlp.c_fc.weight";
  EXPECT_EQ(load(conv, {}), file + ": tensor " + conv + " is missing");
  EXPECT_EQ(load(conv, {{conv, torch::zeros({24, 16})}}),
            file + ": tensor " + conv + ": has shape [24, 16]; config.json asks for [16, 24]");
  EXPECT_EQ(load("lm_head.weight", {}), "this checkpoint has no language-model head (tensor lm_head.weight)");
  EXPECT_EQ(load("", {{"transformer.h.2.ln_1.bias", torch::zeros({16})}}),
            file + ": tensor transformer.h.2.ln_1.bias has no place in the 2 layers that config.json describes");
}

}  // namespace
}  // namespace saobp::model::testing
