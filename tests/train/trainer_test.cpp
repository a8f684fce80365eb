// The trainer with an objective of another kind: texts in two classes, scored by accuracy.
#include "saobp/train/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "saobp/io/file.h"
#include "saobp/model/weights.h"
#include "tests/model/tools.h"

namespace saobp::train {
namespace {

using model::testing::same_bits;
using model::testing::TempFolder;
using torch::Tensor;

constexpr int64_t kRows = 8, kLength = 6;

// Text `n`: of class 1 where its second token is even.
Tensor texts(uint64_t first) {
  auto ids = torch::full({kRows, kLength}, 7, torch::kLong);
  for (int64_t row = 0; row < kRows; ++row)
    for (int64_t i = 1; i < kLength; ++i) ids[row][i] = static_cast<int64_t>((first + row) * 13 + i * i * 7) % 40 + 8;
  return ids;
}
Tensor classes(const Tensor& ids) { return ids.select(1, 1).remainder(2).eq(0).to(torch::kLong); }

class Texts final : public BatchSource {
 public:
  explicit Texts(model::Model model) : model_(std::move(model)) {}
  std::vector<Pass> next(bool) override {
    const uint64_t first = std::exchange(position_, position_ + kRows);
    return {{kRows, [this, first](const std::function<double()>& scale) -> PassLoss {
               const auto ids = texts(first);
               const auto* head = model_->head();
               const auto logits = head->logits(model_->pooled_states(ids), model_->dropout_seed);
               const auto loss = torch::cross_entropy_loss(logits, classes(ids), {}, at::Reduction::Sum) * scale();
               return {loss, {{"size_of_logits", logits.square().mean() * 1e-3}}};
             }}};
  }
  uint64_t position() const override { return position_; }
  void seek(uint64_t position) override { position_ = position; }
  void give_back(uint64_t position) override { position_ = position; }
  const char* unit() const override { return "examples"; }
  double units_a_step() const override { return kRows; }
  double units() const override { return static_cast<double>(position_); }

 private:
  model::Model model_;
  uint64_t position_ = 0;
};

class Accuracy final : public Validator {
 public:
  explicit Accuracy(model::Model model) : model_(std::move(model)) {}
  const char* figure() const override { return "accuracy"; }
  bool lower_is_better() const override { return false; }
  std::optional<Validated> validate(const std::function<bool()>&) override {
    torch::NoGradGuard no_grad;
    model_->eval();
    const auto ids = texts(10'000);
    const auto right = model_->head()->logits(model_->pooled_states(ids)).argmax(1).eq(classes(ids));
    model_->train();
    const double accuracy = right.to(torch::kDouble).mean().item<double>();
    seen.push_back(accuracy);
    return Validated{accuracy, {{"accuracy", accuracy}}, concat("accuracy ", accuracy), ""};
  }
  std::vector<double> seen;

 private:
  model::Model model_;
};

struct Classifying {
  Classifying(const fs::path& folder, int64_t steps)
      : model(model::make_model(model::testing::tiny_config(), 3, model::HeadKind::sequence_classification)),
        source(model),
        accuracy(model),
        trainer({.steps = steps,
                 .optimizer = {.learning_rate = 1e-2, .warmup_steps = 2},
                 .log_every = 1,
                 .validate_every = 5,
                 .checkpoint_every = 10},
                {.model = model,
                 .source = source,
                 .validator = &accuracy,
                 .save_best = [this](const fs::path& best) { return model::save_model(model, best); }},
                folder, world, reporter) {
    RunLock lock(folder);
    lock.take();
    trainer.hold(std::move(lock));
  }

  model::Model model;
  Texts source;
  Accuracy accuracy;
  World world;
  Reporter reporter;
  Trainer trainer;
};

TEST(Trainer, TrainsAnObjectiveOfAnotherKind) {
  TempFolder folder;
  Classifying run(folder.path(), 150);
  const auto outcome = run.trainer.train();
  EXPECT_EQ(outcome.step, 150);
  EXPECT_FALSE(outcome.interrupted);
  std::vector<io::Json> lines;
  for (std::istringstream log(io::read_file(folder.path() / "metrics.jsonl")); log.peek() != EOF;) {
    std::string line;
    std::getline(log, line);
    lines.push_back(io::parse_json(line, "metrics.jsonl"));
  }
  EXPECT_EQ(lines[0].at("examples"), kRows);
  EXPECT_TRUE(lines[0].contains("examples_per_s") && lines[0].contains("size_of_logits"));
  EXPECT_GT(*std::max_element(run.accuracy.seen.begin(), run.accuracy.seen.end()), run.accuracy.seen[0]);
  EXPECT_EQ(outcome.final.at("accuracy"), run.accuracy.seen.back());
  // The best is the highest, and the first of equals.
  const auto best = io::read_json(folder.path() / "best/best.json");
  const auto highest = std::max_element(run.accuracy.seen.begin(), run.accuracy.seen.end());
  EXPECT_EQ(best.at("accuracy"), *highest);
  EXPECT_EQ(best.at("step"), 5 * (highest - run.accuracy.seen.begin() + 1));
  EXPECT_EQ(model::load_model(folder.path() / "best").model->head()->record.kind,
            model::HeadKind::sequence_classification);
}

TEST(Trainer, GoesOnToTheSameBits) {
  TempFolder straight, later;
  Classifying whole(straight.path(), 20);
  whole.trainer.train();
  Classifying second(later.path(), 20);
  const auto state =
      Checkpoints::load(straight.path() / "checkpoints/step-000010", second.model, second.trainer.optimizer());
  second.trainer.state() = run_state_from_json(state.json, 20, "state.json");
  EXPECT_EQ(second.trainer.train().step, 20);
  const auto expected = model::named_weights(whole.model), found = model::named_weights(second.model);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(same_bits(expected[i].second, found[i].second)) << expected[i].first;
}

}  // namespace
}  // namespace saobp::train
