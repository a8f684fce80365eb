// What a checkpoint tells of damage, and a run of what it reads.
#include <gtest/gtest.h>

#include <fstream>

#include "saobp/io/sealed_json.h"
#include "saobp/recipes/resume.h"
#include "saobp/train/best_model.h"
#include "tests/model/tools.h"

namespace saobp::recipes {
namespace {

using io::Json;
using model::testing::error_of;
using model::testing::TempFolder;
using model::testing::tiny_config;

const RunKeys kKeys{{"corpus", "--corpus", Json::array({"a.ids"})},
                    {"validation", "--validation", Json::array({"b.ids"})},
                    {"tokenizer", "--tokenizer", "17", "tokenizer.json"},
                    {"model", "--model", "18", "config.json"}};

struct Saved {
  explicit Saved(int64_t step = 40) : model(model::make_model(tiny_config(), 1)) {
    optimizer.emplace(train::parameters_of(*model), train::OptimizerOptions{});
    save(step);
  }
  void save(int64_t step) {
    train::RunState state;
    state.step = step, state.rows = 1280, state.seconds = 12.75;
    auto json = to_json(state);
    json.update(to_json(kKeys));
    checkpoints.save(model, *optimizer, json);
  }
  // What the reporter was told, and at the end the error.
  std::vector<std::string> load(const RunKeys& keys = kKeys) {
    std::vector<std::string> said;
    const train::Reporter reporter{[&](const train::Event& event) { said.push_back(train::text_of(event)); }};
    said.push_back(error_of([&] {
      loaded = load_newest_sound("run", checkpoints.newest_first(), 100, keys, model, *optimizer, reporter);
    }));
    return said;
  }
  TempFolder run;
  train::Checkpoints checkpoints{run.path(), 9};
  model::Model model;
  std::optional<train::AdamW> optimizer;
  train::RunState loaded;
};

TEST(CheckpointDamage, NoByteOfAFileChangesUnnoticed) {
  Saved saved;
  const auto folder = saved.checkpoints.newest_first().at(0);
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    const auto path = folder / name;
    const auto text = io::read_file(path);
    const size_t stride = text.size() > 2000 ? 61 : 1;
    for (size_t at = 0; at < text.size(); at += stride) {
      auto changed = text;
      changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
      std::ofstream(path, std::ios::binary) << changed;
      EXPECT_EQ(error_of([&] { train::Checkpoints::load(folder, saved.model, *saved.optimizer); }).find(path.string()),
                0u)
          << name << " " << at;
    }
    io::write_file(path, text);
  }
  EXPECT_EQ(saved.load(), std::vector<std::string>{"no error"});
  EXPECT_EQ(saved.loaded.step, 40);
  EXPECT_EQ(saved.loaded.seconds, 12.75);
}

TEST(CheckpointDamage, TheOneBeforeIsTaken) {
  Saved saved;
  saved.save(80);
  const auto path = saved.checkpoints.newest_first().at(0) / "optimizer.safetensors";
  auto text = io::read_file(path);
  text[text.size() - 3] ^= 4;
  io::write_file(path, text);
  const auto said = saved.load();
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0].find("checkpoint  step-000080 is passed over: " + path.string() + ": is damaged"), 0u) << said[0];
  EXPECT_EQ(saved.loaded.step, 40);
}

TEST(CheckpointDamage, OneOfAnOlderVersionIsTakenWithALine) {
  Saved saved;
  const auto path = saved.checkpoints.newest_first().at(0) / "state.json";
  auto old = io::read_json(path);
  for (const char* key : {"checksum", "checksums", "validation", "tokenizer", "model"}) old.erase(key);
  io::write_json(path, old);
  const auto said = saved.load();
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0].find("checkpoint  step-000040 carries no checksums"), 0u) << said[0];
  EXPECT_EQ(said[1], "no error");
  auto other = kKeys;
  other[0].value = Json::array({"c.ids"});
  EXPECT_EQ(saved.load(other).back().find(path.string() + ": the text in --corpus was changed"), 0u);
}

TEST(RunKeys, WhatWasChangedIsNamed) {
  Saved saved;
  saved.save(80);
  const auto source = (saved.checkpoints.newest_first().at(0) / "state.json").string();
  const auto error = [&](auto&& change) {
    auto keys = kKeys;
    change(keys);
    const auto said = saved.load(keys);
    EXPECT_EQ(said.size(), 1u) << "an older checkpoint would not help";
    return said.back();
  };
  EXPECT_EQ(error([](RunKeys& keys) { keys[1].value = Json::array({"c.ids"}); }),
            source + ": the text in --validation was changed since the run began; a resumed run needs the same text");
  EXPECT_EQ(error([](RunKeys& keys) { keys[0].value.push_back("c.ids"); }),
            source + ": the text in --corpus was changed since the run began; a resumed run needs the same text");
  EXPECT_EQ(error([](RunKeys& keys) { keys[2].value = "1"; }),
            source + ": run/tokenizer.json was changed since the run began; a resumed run needs the same file");
  EXPECT_EQ(error([](RunKeys& keys) { keys[3].value = "1"; }),
            source + ": run/config.json was changed since the run began; a resumed run needs the same file");
}

TEST(RunKeys, OfAModelDoNotDependOnTheOrderInAFile) {
  TempFolder folder;
  auto config = tiny_config();
  const auto key = model_key(config, "").value;
  auto json = nlohmann::json::parse(model::to_json(config).dump());  // sorted
  io::write_file(folder / "config.json", json.dump(4));
  EXPECT_EQ(model_key(model::read_config(folder / "config.json"), "").value, key);
  config.layer_norm_eps *= 2;
  EXPECT_NE(model_key(config, "").value, key);
}

}  // namespace
}  // namespace saobp::recipes
