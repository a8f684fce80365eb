// Options of a run, its checkpoints, and signals.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <ctime>
#include <fstream>
#include <limits>

#include "saobp/io/file.h"
#include "saobp/io/partial.h"
#include "saobp/recipes/options.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/run_folder.h"
#include "tests/model/tools.h"

namespace saobp::recipes {
namespace {

using io::Json;
using model::Model;
using model::testing::error_of;
using model::testing::same_bits;
using model::testing::TempFolder;
using model::testing::tiny_config;

PretrainOptions valid() {
  PretrainOptions options;
  options.model.tokenizer = "vocab.txt";
  options.corpus.corpus = {"text.txt"};
  return options;
}

TEST(PretrainOptions, JsonRoundTrip) {
  PretrainOptions options;
  options.model = {"bert-small",
                   "t.json",
                   attention::Variant::low,
                   0.25,
                   "0.1,0.2",
                   26,
                   LearnStrength::head,
                   false,
                   64,
                   0.05,
                   true,
                   true,
                   true,
                   "from",
                   true};
  options.corpus = {{"a:2:file", "b:1"}, {"*.md"}, data::DocumentEnd::file, "cache", "body", false, 0.25, 8};
  options.masking = {0.2, 0.7, 0.2};
  options.optimizer = {3e-4, train::Schedule::linear, 7, 0.02, 0.85, 0.98, 1e-6, 0.5, 0.03};
  options.train = {11, 12, 13, 14, 15, 16, Dtype::bf16, 17, 18, 19, 20, false, 22, true, true, {"v"}, 21};
  options.monitor = {23, 24, 25};
  options.distributed = {26, 27};
  options.regularizers = {0.4, 0.1, 0.6, 0.7};
  const auto json = Json::parse(to_json(options).dump());
  EXPECT_EQ(json, Json::parse(R"({
    "model": {"model": "bert-small", "from": "from", "extend_positions": true, "tokenizer": "t.json", "attention": "low", "strength": 0.25, "strengths": "0.1,0.2",
              "strength_warmup_steps": 26, "learn_strength": "head", "exclude_self": false, "strength_length": 64,
              "dropout": 0.05, "sinusoidal_positions": true, "qk_norm": true, "sigma_reparam": true},
    "corpus": {"corpus": ["a:2:file", "b:1"], "exclude": ["*.md"], "document": "file", "cache": "cache",
               "text_field": "body", "pack": false, "holdout": 0.25, "holdout_seed": 8},
    "masking": {"mask_probability": 0.2, "mask_share": 0.7, "random_share": 0.2},
    "optimizer": {"learning_rate": 3e-4, "schedule": "linear", "warmup_steps": 7, "weight_decay": 0.02, "beta1": 0.85, "beta2": 0.98,
                  "epsilon": 1e-6, "clip": 0.5, "strength_learning_rate": 0.03},
    "train": {"steps": 11, "batch": 12, "length": 13, "accumulation": 14, "seed": 15, "threads": 16, "dtype": "bf16", "log_every": 17,
              "validate_every": 18, "checkpoint_every": 19, "keep_checkpoints": 20, "keep_best": false,
              "max_skipped": 22, "tensorboard": true, "record_batches": true, "validation": ["v"],
              "validation_rows": 21},
    "monitor": {"monitor_every": 23, "monitor_rows": 24, "monitor_probes": 25},
    "distributed": {"bucket_mb": 26, "rank_timeout": 27},
    "regularizers": {"entropy_reg": 0.4, "entropy_reg_tolerance": 0.1, "eigen_reg": 0.6, "eigen_reg_mean": 0.7}})"));
  EXPECT_EQ(to_json(options_from_json<PretrainOptions>(json, "run.json")), json);
  options.model.strength.reset();
  const auto unset = to_json(options);
  EXPECT_TRUE(unset["model"]["strength"].is_null());
  EXPECT_FALSE(options_from_json<PretrainOptions>(unset, "run.json").model.strength);
}

TEST(PretrainOptions, WhatAFileLacksIsTheDefault) {
  auto options = valid();
  options.optimizer.clip = 3, options.train.batch = 7, options.train.steps = 8;
  auto json = to_json(options);
  json.erase("distributed"), json.erase("optimizer"), json["train"].erase("batch");
  options.optimizer = {}, options.train.batch = TrainOptions{}.batch;
  EXPECT_EQ(to_json(options_from_json<PretrainOptions>(json, "run.json")), to_json(options));
}

TEST(PretrainOptions, WhatAFileSaysWrongIsNamed) {
  const auto error = [](const char* section, const char* field, const Json& value) {
    auto json = to_json(valid());
    (field ? json[section][field] : json[section]) = value;
    return error_of([&] { options_from_json<PretrainOptions>(json, "run.json"); });
  };
  EXPECT_EQ(error("train", "steps", "many"), "run.json: train: \"steps\" is a string; an integer was expected");
  EXPECT_EQ(error("train", "stairs", 3), "run.json: train: \"stairs\" is no setting");
  EXPECT_EQ(error("trains", nullptr, Json::object()), "run.json: \"trains\" is no section; did you mean train?");
}

TEST(PretrainOptions, AnotherOptionThanTheRecordsIsNamed) {
  auto now = valid();
  EXPECT_EQ(error_of([&] { require_same_options(to_json(valid()), to_json(now), "run.json"); }), "no error");
  now.train.steps = 5, now.distributed.bucket_mb = 2;
  EXPECT_EQ(error_of([&] { require_same_options(to_json(valid()), to_json(now), "run.json"); }),
            "run.json: train: \"steps\" is 1000 and this command says 5; a run that is started again needs the options "
            "that it began with");
}

TEST(PretrainOptions, ValidateNamesTheFlag) {
  const auto with = [](auto&& change) {
    auto options = valid();
    change(options);
    return error_of([&] { check(options); });
  };
  EXPECT_EQ(with([](auto&) {}), "no error");
  EXPECT_EQ(with([](auto& o) { o.model.tokenizer = ""; }),
            "usage: --tokenizer is missing: a tokenizer.json, a vocab.txt, or a folder with one");
  EXPECT_EQ(with([](auto& o) { o.corpus.corpus.clear(); }),
            "usage: --corpus is missing: a file, a folder or a glob of text");

  const std::tuple<const char*, int64_t TrainOptions::*, int64_t, int64_t> both_ends[] = {
      {"--steps", &TrainOptions::steps, 1, 1'000'000'000},
      {"--batch", &TrainOptions::batch, 1, 1 << 20},
      {"--length", &TrainOptions::length, 3, 1 << 20},
      {"--accumulation", &TrainOptions::accumulation, 1, 1'000'000},
      {"--threads", &TrainOptions::threads, 0, 1024}};
  for (auto [flag, member, least, most] : both_ends) {
    EXPECT_EQ(with([&](auto& o) { o.train.batch = 1, o.train.*member = least; }), "no error") << flag;
    for (int64_t bad : {least - 1, most + 1})
      EXPECT_EQ(with([&](auto& o) { o.train.*member = bad; }),
                concat("usage: ", flag, ": ", bad, " was given; a number from ", least, " to ", most, " was expected"));
  }
  EXPECT_EQ(with([](auto& o) { o.train.batch = 16385, o.train.length = 64; }),
            "usage: --batch 16385 and --length 64: 16385 · 64 tokens a pass were given; at most 1048576 were expected "
            "(--accumulation makes a step of several passes)");

  const std::tuple<const char*, int64_t TrainOptions::*, int64_t> numbers[] = {
      {"--seed", &TrainOptions::seed, 0},
      {"--log-every", &TrainOptions::log_every, 1},
      {"--validate-every", &TrainOptions::validate_every, 1},
      {"--checkpoint-every", &TrainOptions::checkpoint_every, 1},
      {"--keep-checkpoints", &TrainOptions::keep_checkpoints, 1},
      {"--max-skipped", &TrainOptions::max_skipped, 1},
      {"--validation-rows", &TrainOptions::validation_rows, 0}};
  for (auto [flag, member, least] : numbers) {
    EXPECT_EQ(with([&](auto& o) { o.train.*member = least; }), "no error") << flag;
    EXPECT_EQ(with([&](auto& o) { o.train.*member = least - 1; }),
              concat("usage: ", flag, ": ", least - 1, " was given; at least ", least, " was expected"));
  }
  EXPECT_EQ(with([](auto& o) { o.optimizer.warmup_steps = -1; }),
            "usage: --warmup-steps: -1 was given; at least 0 was expected");

  const std::tuple<const char*, double train::OptimizerOptions::*, double, double> ranges[] = {
      {"--learning-rate", &train::OptimizerOptions::learning_rate, 0, 1},
      {"--weight-decay", &train::OptimizerOptions::weight_decay, 0, 1},
      {"--beta1", &train::OptimizerOptions::beta1, 0, 0.999999},
      {"--beta2", &train::OptimizerOptions::beta2, 0, 0.9999999},
      {"--epsilon", &train::OptimizerOptions::epsilon, 1e-16, 1},
      {"--clip", &train::OptimizerOptions::clip, 0, 1e9}};
  for (auto [flag, member, low, high] : ranges) {
    for (double good : {low, high}) EXPECT_EQ(with([&](auto& o) { o.optimizer.*member = good; }), "no error") << flag;
    for (double bad : {low - 0.5, high * 2, std::nan(""), std::numeric_limits<double>::infinity()})
      EXPECT_EQ(with([&](auto& o) { o.optimizer.*member = bad; }),
                concat("usage: ", flag, ": ", io::between(low, high).complaint(bad)));
  }
  EXPECT_EQ(with([](auto& o) { o.optimizer.beta2 = 1; }),
            "usage: --beta2: 1 was given; a number from 0 to 0.9999999 was expected");
  EXPECT_EQ(with([](auto& o) { o.distributed.rank_timeout = 0; }),
            "usage: --rank-timeout: 0 was given; a number from 1 to 604800 was expected");
  EXPECT_EQ(with([](auto& o) { o.model.dropout = 1; }),
            "usage: --dropout: 1 was given; a number from 0 to 0.99 was expected");
  EXPECT_EQ(with([](auto& o) { o.model.attention = attention::Variant::elemmul, o.model.strength = 0.1; }),
            "usage: --strength: 0.1 was given, but elemmul attention has no strength");
}

TEST(ResolveModel, TakesSizesFromTheTokenizerAndStrengthFromTheRule) {
  ModelOptions options;
  const auto high = resolve_model(options, {30522, 0, {}}, 128);
  EXPECT_EQ(high.parameters(), 11'201'594);
  EXPECT_DOUBLE_EQ(high.refined_attention.strength, 0.2 * 11e6 / 11'201'594);
  EXPECT_EQ(high.refined_attention.attention, attention::Variant::high);
  options.dropout = 0.25, options.exclude_self = false, options.strength = 3,
  options.attention = attention::Variant::low;
  const auto low = resolve_model(options, {1000, 7, {}}, 512);
  EXPECT_EQ(std::pair(low.vocab_size, low.pad_token_id), std::pair(int64_t{1000}, int64_t{7}));
  EXPECT_EQ(std::pair(low.hidden_dropout_prob, low.attention_probs_dropout_prob), std::pair(0.25, 0.25));
  EXPECT_EQ(low.refined_attention.strength, 3);
  EXPECT_FALSE(low.refined_attention.exclude_self);
  options.strength.reset();
  for (auto variant : {attention::Variant::original, attention::Variant::elemmul}) {
    options.attention = variant;
    EXPECT_EQ(resolve_model(options, {1000, 7, {}}, 8).refined_attention.strength, 0);
  }
  EXPECT_EQ(error_of([&] { resolve_model(options, {1000, 7, {}}, 513); }),
            "usage: --length: 513 was given; the model's position table ends at 512");
}

TEST(ResolveModel, ReadsOtherSizesFromAFile) {
  TempFolder folder;
  ModelOptions options;
  options.model = (folder / "tiny.json").string();
  io::write_json(options.model, to_json(tiny_config()));
  EXPECT_EQ(resolve_model(options, {77, 1, {}}, 12).hidden_size, 16);
  EXPECT_EQ(error_of([&] { resolve_model(options, {77, 1, {}}, 13); }),
            "usage: --length: 13 was given; the model's position table ends at 12");
  EXPECT_EQ(error_of([&] { resolve_model(options, {77, 77, {}}, 12); }),
            options.model + ": \"pad_token_id\" is 77, outside of the vocabulary of 77");
}

struct Trained {
  explicit Trained(uint64_t seed) : model(model::make_model(tiny_config(), seed)) {
    optimizer.emplace(train::parameters_of(*model), train::OptimizerOptions{});
  }
  void step() {
    for (auto& parameter : model->parameters()) parameter.mutable_grad() = torch::randn_like(parameter);
    optimizer->update(0.1);
  }
  model::Model model;
  std::optional<train::AdamW> optimizer;
};

// Names of what is in a run's checkpoint folder, ascending.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Checkpoints, KeepsTheNewestAndIgnoresPartialOnes) {
  TempFolder run;
  train::Checkpoints checkpoints(run.path(), 2);
  EXPECT_TRUE(checkpoints.newest_first().empty());
  Trained trained(1);
  for (int64_t step : {3, 999'998, 999'999}) checkpoints.save(trained.model, *trained.optimizer, {{"step", step}});
  fs::create_directories(run / "checkpoints" / "step-2000000.partial-17");
  EXPECT_EQ(names_in(run / "checkpoints"),
            (std::vector<std::string>{"step-2000000.partial-17", "step-999998", "step-999999"}));
  EXPECT_EQ(checkpoints.newest_first()[0], run / "checkpoints" / "step-999999");
  checkpoints.save(trained.model, *trained.optimizer, {{"step", 1'000'000}});  // one digit more
  EXPECT_EQ(checkpoints.newest_first()[0], run / "checkpoints" / "step-1000000");
  EXPECT_EQ(names_in(run / "checkpoints"),
            (std::vector<std::string>{"step-1000000", "step-2000000.partial-17", "step-999999"}));
}

TEST(Checkpoints, RestoreModelOptimizerAndState) {
  TempFolder run;
  train::Checkpoints checkpoints(run.path(), 1);
  Trained first(1), second(2);
  first.step();
  checkpoints.save(first.model, *first.optimizer, {{"step", 40}, {"rows", 1}});
  first.step();
  const Json state = {{"step", 40}, {"rows", 1280}, {"seconds", 1.5}};
  checkpoints.save(first.model, *first.optimizer, state);  // in place of the one before
  const auto newest = checkpoints.newest_first().at(0);
  EXPECT_EQ(names_in(newest), (std::vector<std::string>{"model.safetensors", "optimizer.safetensors", "state.json"}));
  const auto loaded = train::Checkpoints::load(newest, second.model, *second.optimizer);
  EXPECT_EQ(loaded.json, state);
  EXPECT_TRUE(loaded.sealed);
  auto expected = named_weights(first.model), found = named_weights(second.model);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(same_bits(expected[i].second, found[i].second)) << expected[i].first;
  auto moments = first.optimizer->state(), restored = second.optimizer->state();
  ASSERT_EQ(moments.size(), restored.size());
  for (size_t i = 0; i < moments.size(); ++i)
    EXPECT_TRUE(same_bits(moments[i].second, restored[i].second)) << moments[i].first;
}

TEST(Checkpoints, DamageIsNamed) {
  TempFolder run;
  train::Checkpoints checkpoints(run.path(), 1);
  Trained trained(1);
  checkpoints.save(trained.model, *trained.optimizer, {{"step", 1}});
  const auto newest = checkpoints.newest_first().at(0);
  const auto load = [&] {
    return error_of([&] { train::Checkpoints::load(newest, trained.model, *trained.optimizer); });
  };
  EXPECT_EQ(load(), "no error");
  const auto optimizer = newest / "optimizer.safetensors";
  fs::resize_file(optimizer, fs::file_size(optimizer) - 4);
  EXPECT_EQ(load().find(optimizer.string()), 0u) << load();
  fs::remove(newest / "state.json");
  EXPECT_EQ(load().find((newest / "state.json").string()), 0u) << load();
}

TEST(Checkpoints, AFailedSaveLeavesNothingAndKeepsTheOld) {
  TempFolder run;
  train::Checkpoints checkpoints(run.path(), 1);
  Trained trained(1);
  checkpoints.save(trained.model, *trained.optimizer, {{"step", 1}});
  // A folder where the weights are to be written aside makes the save fail half-way.
  const fs::path aside = run / "checkpoints" / concat("step-000002.partial-", ::getpid());
  fs::create_directories(aside / "state.json" / "in the way");
  const int lock = ::open(aside.c_str(), O_RDONLY | O_DIRECTORY);
  io::lock_partial(lock);  // or it would be swept
  EXPECT_NE(error_of([&] { checkpoints.save(trained.model, *trained.optimizer, {{"step", 2}}); }), "no error");
  ::close(lock);
  EXPECT_EQ(names_in(run / "checkpoints"), std::vector<std::string>{"step-000001"});
}

TEST(RunRecord, TimeIsIso8601InUtc) {
  const auto text = train::timestamp();
  std::tm parsed{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parsed);
  ASSERT_TRUE(end && *end == '\0') << text;
  EXPECT_LE(std::abs(std::difftime(std::time(nullptr), ::timegm(&parsed))), 60);
  const auto host = train::describe_host();
  EXPECT_EQ(host["threads"], at::get_num_threads());
  EXPECT_GE(host["cores"], 1);
}

TEST(Interrupt, ASignalIsAQuestion) {
  for (int number : {SIGINT, SIGTERM}) {
    std::signal(number, SIG_DFL);  // a shell may have started this program to ignore it
    train::InterruptGuard guard;
    EXPECT_FALSE(train::InterruptGuard::interrupted());
    std::raise(number);
    EXPECT_TRUE(train::InterruptGuard::interrupted());
    EXPECT_EQ(std::signal(number, SIG_DFL), SIG_DFL) << "a second signal ends the program";
  }
  EXPECT_EXIT(
      {
        train::InterruptGuard guard;
        std::raise(SIGTERM);
        std::raise(SIGTERM);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace saobp::recipes
