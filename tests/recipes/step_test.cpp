// The optimiser against LibTorch's own, and one update of a model: gradients, accumulation, dropout, failures.
#include <gtest/gtest.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <cmath>
#include <limits>
#include <map>

#include "saobp/data/rows.h"
#include "saobp/recipes/language_model.h"
#include "saobp/recipes/validation.h"
#include "tests/data/fake_tokenizer.h"
#include "tests/recipes/tools.h"

namespace saobp::recipes {
namespace {

using model::Model;
using model::TensorList;
using model::testing::error_of;
using model::testing::largest_difference;
using model::testing::same_bits;
using model::testing::ThreadCount;
using testing::rows;
using testing::tiny;

TEST(LearningRate, WarmsUpAndFollowsACosine) {
  train::OptimizerOptions options;
  options.learning_rate = 1e-3, options.warmup_steps = 10;
  const auto rate = [&](int64_t step) { return train::learning_rate(options, step, 110); };
  EXPECT_DOUBLE_EQ(rate(1), 1e-4);
  EXPECT_DOUBLE_EQ(rate(7), 7e-4);
  EXPECT_DOUBLE_EQ(rate(10), 1e-3);
  // (1 + cos πx) / 2, where x = 1 is one update after the last.
  EXPECT_DOUBLE_EQ(rate(60), 1e-3 * (1 + std::cos(M_PI * 50 / 101)) / 2);
  EXPECT_DOUBLE_EQ(rate(110), 1e-3 * (1 + std::cos(M_PI * 100 / 101)) / 2);
  for (int64_t step = 12; step <= 110; ++step) EXPECT_LT(rate(step), rate(step - 1)) << step;
  EXPECT_EQ(rate(111), 0);
  EXPECT_EQ(rate(5000), 0);
  EXPECT_DOUBLE_EQ(train::learning_rate(options, 4, 5), 4e-4) << "the warm-up outlasts the run";
  options.warmup_steps = 0;
  EXPECT_NEAR(train::learning_rate(options, 1, 1000), 1e-3, 1e-8);
}

// A matrix, which is decayed, and a vector, which is not.
struct Parameters {
  explicit Parameters(torch::ScalarType type = torch::kDouble) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(3);
    matrix = torch::randn({7, 5}, generator, torch::dtype(type)).requires_grad_();
    vector = torch::randn({11}, generator, torch::dtype(type)).requires_grad_();
  }
  TensorList list() const { return {{"matrix", matrix}, {"vector", vector}}; }
  // Gradients of a step, between 0.01 and 100 times the usual, so that some are clipped and some are not.
  void set_gradients(uint64_t step) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(100 + step);
    const double scale = std::pow(10.0, static_cast<double>(step * 3 % 5) - 2);
    for (auto* parameter : {&matrix, &vector})
      parameter->mutable_grad() = torch::randn(parameter->sizes(), generator, parameter->options()) * scale;
  }
  torch::Tensor matrix, vector;
};

train::OptimizerOptions strong_options(double clip) {
  train::OptimizerOptions options;
  options.weight_decay = 0.3, options.beta1 = 0.8, options.beta2 = 0.95, options.epsilon = 1e-6, options.clip = clip;
  return options;
}

TEST(AdamW, EqualsLibTorch) {
  for (auto type : {torch::kDouble, torch::kFloat})
    for (double clip : {0.0, 5.0}) {
      const auto options = strong_options(clip);
      Parameters ours(type), theirs(type);
      train::AdamW optimizer(ours.list(), options);
      const auto group = [&](const torch::Tensor& parameter, double decay) {
        auto own = std::make_unique<torch::optim::AdamWOptions>();
        own->betas({options.beta1, options.beta2}).eps(options.epsilon).weight_decay(decay);
        return torch::optim::OptimizerParamGroup({parameter}, std::move(own));
      };
      torch::optim::AdamW reference({group(theirs.matrix, options.weight_decay), group(theirs.vector, 0)});
      int clipped = 0;
      for (uint64_t step = 1; step <= 12; ++step) {
        const double rate = 0.02 + 0.01 * static_cast<double>(step);
        ours.set_gradients(step), theirs.set_gradients(step);
        double norm = torch::cat({theirs.matrix.grad().flatten(), theirs.vector.grad()}).norm().item<double>();
        if (clip > 0) {
          norm = torch::nn::utils::clip_grad_norm_({theirs.matrix, theirs.vector}, clip);
          clipped += norm > clip;
        }
        for (auto& own : reference.param_groups()) static_cast<torch::optim::AdamWOptions&>(own.options()).lr(rate);
        reference.step();
        const double found = optimizer.update(rate);
        EXPECT_NEAR(found, norm, 1e-6 * norm);
        EXPECT_FALSE(ours.matrix.grad().defined() || ours.vector.grad().defined()) << "gradients are dropped";
      }
      EXPECT_TRUE(clip == 0 || (clipped > 2 && clipped < 10)) << clipped;
      // Only the order of roundings differs; in float the factor of the clipping is rounded too.
      const double bound = type == torch::kDouble ? 1e-12 : clip > 0 ? 5e-6 : 2e-6;
      EXPECT_LT(largest_difference(ours.matrix, theirs.matrix), bound) << type << ", clip " << clip;
      EXPECT_LT(largest_difference(ours.vector, theirs.vector), bound) << type << ", clip " << clip;
      EXPECT_GT(largest_difference(ours.matrix, Parameters(type).matrix), 0.1) << "twelve steps lead somewhere";
    }
}

TEST(AdamW, ClipsTheNormOfAllGradientsTogether) {
  Parameters p;
  train::AdamW optimizer(p.list(), strong_options(0.5));
  p.matrix.mutable_grad() = torch::full({7, 5}, 3.0, torch::kDouble);
  p.vector.mutable_grad() = torch::full({11}, -4.0, torch::kDouble);
  const double norm = std::sqrt(35 * 9 + 11 * 16);
  EXPECT_NEAR(optimizer.update(0.1), norm, 1e-12 * norm);
  // After the first update the moment is (1 − β₁) times the clipped gradient.
  const auto state = optimizer.state();
  const std::map<std::string, torch::Tensor> moments(state.begin(), state.end());
  EXPECT_LT(largest_difference(moments.at("exp_avg.matrix"), torch::full({7, 5}, 0.2 * 3 * 0.5 / norm)), 1e-7);
  EXPECT_LT(largest_difference(moments.at("exp_avg.vector"), torch::full({11}, 0.2 * -4 * 0.5 / norm)), 1e-7);
}

TEST(AdamW, NoGradientMeansDecayOnly) {
  Parameters p, before;
  train::AdamW optimizer(p.list(), strong_options(1));
  EXPECT_EQ(optimizer.update(0.1), 0);
  EXPECT_LT(largest_difference(p.matrix, before.matrix * (1 - 0.1 * 0.3)), 1e-15);
  EXPECT_TRUE(same_bits(p.vector, before.vector)) << "vectors are not decayed";
}

TEST(AdamW, ANonFiniteGradientChangesNothing) {
  const double values[] = {std::nan(""), std::numeric_limits<double>::infinity(), 1e308};  // the last one overflows
  for (double value : values) {
    Parameters p, undisturbed;
    train::AdamW optimizer(p.list(), strong_options(0.5)), other(undisturbed.list(), strong_options(0.5));
    for (uint64_t step = 1; step <= 4; ++step) {
      p.set_gradients(step), undisturbed.set_gradients(step);
      EXPECT_TRUE(std::isfinite(optimizer.update(0.1)));
      other.update(0.1);
      p.set_gradients(step);
      p.vector.mutable_grad()[3] = value, p.vector.mutable_grad()[4] = value;
      EXPECT_FALSE(std::isfinite(optimizer.update(0.1))) << value;
      EXPECT_FALSE(p.vector.grad().defined());
    }
    EXPECT_TRUE(same_bits(p.matrix, undisturbed.matrix) && same_bits(p.vector, undisturbed.vector));
    auto a = optimizer.state(), b = other.state();
    for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(same_bits(a[i].second, b[i].second)) << a[i].first;
  }
}

TEST(AdamW, StateGoesOnWhereItWas) {
  Parameters p, q;
  train::AdamW first(p.list(), strong_options(0.5)), second(q.list(), strong_options(0.5));
  for (uint64_t step = 1; step <= 3; ++step) p.set_gradients(step), first.update(0.1);
  TensorList copy;
  for (const auto& [name, tensor] : first.state()) copy.emplace_back(name, tensor.clone());
  ASSERT_EQ(copy.size(), 5u);
  second.load_state(copy, "optimizer.safetensors");
  {
    torch::NoGradGuard no_grad;
    q.matrix.copy_(p.matrix), q.vector.copy_(p.vector);
  }
  for (uint64_t step = 4; step <= 6; ++step) {
    p.set_gradients(step), first.update(0.1);
    q.set_gradients(step), second.update(0.1);
  }
  EXPECT_TRUE(same_bits(p.matrix, q.matrix) && same_bits(p.vector, q.vector));
  for (size_t i = 0; i < copy.size(); ++i) {
    auto wrong = copy;
    wrong.erase(wrong.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(error_of([&] { second.load_state(wrong, "o.safetensors"); }),
              "o.safetensors: tensor " + copy[i].first + " is missing");
    wrong = copy;
    wrong[i].second = torch::zeros({2, 3});
    EXPECT_EQ(error_of([&] { second.load_state(wrong, "o.safetensors"); }),
              concat("o.safetensors: tensor ", copy[i].first, " has shape [2, 3]; ", copy[i].second.sizes(),
                     " was expected"));
  }
}

TEST(Loss, IsMinusTheLogProbabilityOfTheTargets) {
  torch::NoGradGuard no_grad;
  auto model = tiny(torch::kDouble, 0);
  const auto batch = rows(0, 4);
  ASSERT_TRUE(batch.padded);
  auto ids = torch::tensor(batch.input_ids).reshape({4, 9});
  auto mask = torch::tensor(std::vector<int64_t>(batch.attention_mask.begin(), batch.attention_mask.end()));
  auto logits = model->logits(model->hidden_states({ids, mask.reshape({4, 9}).to(torch::kBool)})).reshape({36, 50});
  double expected = 0;
  for (size_t i = 0; i < batch.positions.size(); ++i) {
    const auto row = logits[batch.positions[i]];
    expected += (row.exp().sum().log() - row[batch.targets[i]]).item<double>();
  }
  EXPECT_NEAR(loss_sum(model, batch).item<double>(), expected, 1e-10);
}

// float64 takes the composite attention, float the fused kernels; both draw the same dropout.
TEST(Loss, GradientsAreTheSlopes) {
  ThreadCount one(1);  // two hundred passes over a few numbers: threads would only wait for each other
  const auto batch = rows(0, 4);
  auto model = tiny(torch::kDouble, 0.1), single = tiny(torch::kFloat, 0.1);
  model->dropout_seed = single->dropout_seed = 77;
  loss_sum(model, batch).backward();
  loss_sum(single, batch).backward();
  const auto loss = [&] { return loss_sum(model, batch).item<double>(); };
  torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    auto flat = item.value().view({-1}), gradient = item.value().grad().reshape({-1});
    const int64_t steepest = gradient.abs().argmax().item<int64_t>();
    EXPECT_GT(std::abs(gradient[steepest].item<double>()), 1e-3) << item.key();
    for (int64_t i : {steepest, flat.numel() / 3}) {
      const double value = flat[i].item<double>(), step = 1e-5;
      flat[i] = value + step;
      const double above = loss();
      flat[i] = value - step;
      const double below = loss();
      flat[i] = value;
      // The loss, near 50, is rounded at 1e-14; divided by 2e-5 that is 1e-9. The third derivative adds 1e-10 · f‴ / 6.
      EXPECT_NEAR(gradient[i].item<double>(), (above - below) / (2 * step), 1e-6) << item.key() << " " << i;
    }
    const auto rounded = single->named_parameters()[item.key()].grad().to(torch::kDouble).reshape({-1});
    EXPECT_LT(((rounded - gradient).norm() / gradient.norm()).item<double>(), 1e-4) << item.key();
  }
}

TEST(TrainStep, FourSmallBatchesEqualOneLarge) {
  train::OptimizerOptions options;
  options.epsilon = 1e-3;  // keeps g / (√v + ε) smooth where a gradient is near zero
  auto whole = tiny(torch::kDouble, 0), parts = tiny(torch::kDouble, 0);
  train::AdamW a(train::parameters_of(*whole), options), b(train::parameters_of(*parts), options);
  const std::vector<data::Batch> one = {rows(0, 8)}, four = {rows(0, 2), rows(2, 2), rows(4, 2), rows(6, 2)};
  ASSERT_NE(four[0].positions.size(), four[1].positions.size()) << "the mean is over tokens, not over batches";
  for (int64_t step = 0; step < 3; ++step) {
    const auto x = train_step(whole, a, one, 1e-2, 1, step), y = train_step(parts, b, four, 1e-2, 1, step);
    EXPECT_NEAR(x.loss, y.loss, 1e-12);
    EXPECT_NEAR(x.gradient_norm, y.gradient_norm, 1e-7 * x.gradient_norm);
  }
  auto p = train::parameters_of(*whole), q = train::parameters_of(*parts);
  // Clipping scales by a float, so that weights may part by its rounding.
  for (size_t i = 0; i < p.size(); ++i) EXPECT_LT(largest_difference(p[i].second, q[i].second), 1e-7) << p[i].first;
}

TEST(TrainStep, DropoutDrawsFromSeedStepAndPass) {
  const auto run = [](std::vector<data::Batch> batches, uint64_t seed, int64_t step) {
    auto model = tiny(torch::kFloat, 0.3);
    train::AdamW optimizer(train::parameters_of(*model), {});
    const double loss = train_step(model, optimizer, batches, 1e-2, seed, step).loss;
    return std::pair(loss, model->layers[0]->up_weight.detach().clone());
  };
  const auto [loss, weight] = run({rows(0, 2)}, 5, 9);
  const auto again = run({rows(0, 2)}, 5, 9);
  EXPECT_EQ(again.first, loss);
  EXPECT_TRUE(same_bits(again.second, weight));
  EXPECT_GT(std::abs(run({rows(0, 2)}, 6, 9).first - loss), 1e-3) << "seed";
  EXPECT_GT(std::abs(run({rows(0, 2)}, 5, 8).first - loss), 1e-3) << "step";
  EXPECT_GT(std::abs(run({rows(0, 2), rows(0, 2)}, 5, 9).first - loss), 1e-3) << "pass";
}

TEST(TrainStep, IsAbandonedBetweenItsPasses) {
  auto model = tiny(torch::kFloat, 0.3), other = tiny(torch::kFloat, 0.3);
  const train::World alone;
  const auto step = [&](const model::Model& of, train::AdamW& optimizer, const std::function<bool()>& stop) {
    train::GradientReducer reducer(alone, {}, 0);
    const std::vector<data::Batch> batches = {rows(0, 2), rows(2, 2), rows(4, 2)};
    return train_step(of, optimizer, batches, 1e-2, 1, 0, reducer, nullptr, stop);
  };
  train::AdamW a(train::parameters_of(*model), {}), b(train::parameters_of(*other), {});
  const auto before = model->layers[0]->up_weight.detach().clone();
  int asked = 0;
  const auto left = step(model, a, [&] { return ++asked == 2; });
  EXPECT_TRUE(left.abandoned && left.stop);
  EXPECT_EQ(asked, 2);
  EXPECT_TRUE(same_bits(model->layers[0]->up_weight, before));
  // Made again, it is the step that it would have been.
  EXPECT_EQ(step(model, a, {}).loss, step(other, b, {}).loss);
  EXPECT_TRUE(same_bits(model->layers[0]->up_weight, other->layers[0]->up_weight));
}

TEST(TrainStep, LearnsABatchByHeart) {
  auto model = tiny(torch::kFloat, 0);
  train::AdamW optimizer(train::parameters_of(*model), {});
  const std::vector<data::Batch> batches = {rows(0, 4)};
  const double before = train_step(model, optimizer, batches, 1e-2, 1, 0).loss;
  double after = 0;
  for (int64_t step = 1; step < 40; ++step) after = train_step(model, optimizer, batches, 1e-2, 1, step).loss;
  EXPECT_GT(before, 3);
  EXPECT_LT(after, 0.5);
}

TEST(TrainStep, ANonFiniteLossLeavesTheWeights) {
  auto model = tiny(torch::kFloat, 0);
  train::AdamW optimizer(train::parameters_of(*model), {});
  {
    torch::NoGradGuard no_grad;
    model->head()->output_bias[4] = std::numeric_limits<float>::quiet_NaN();
  }
  TensorList before;
  for (const auto& [name, tensor] : train::parameters_of(*model)) before.emplace_back(name, tensor.detach().clone());
  const std::vector<data::Batch> batches = {rows(0, 2), rows(2, 2)};
  EXPECT_FALSE(std::isfinite(train_step(model, optimizer, batches, 1e-2, 1, 0).loss));
  auto after = train::parameters_of(*model);
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_TRUE(same_bits(after[i].second, before[i].second)) << after[i].first;
    EXPECT_FALSE(after[i].second.grad().defined()) << after[i].first;
  }
}

// 40 words of a corpus whose ids can be read off the text.
struct SmallCorpus {
  std::string text() const {
    std::string words;
    for (int i = 0; i < 40; ++i) words += concat(i, " ");
    return folder.write("text.txt", words);
  }
  data::CorpusOptions options() const { return {{text()}, {}, data::DocumentEnd::blank, folder / "cache"}; }
  data::TempFolder folder;
  data::FakeTokenizer tokenizer;
  data::Corpus corpus{options(), tokenizer};
};

TEST(Validation, IsAMeanOverMaskedTokensWhateverTheBatch) {
  SmallCorpus text;
  data::ValidationRows validation(text.corpus, text.tokenizer, {.length = 8});
  auto model = tiny(torch::kFloat, 0.3);
  ASSERT_EQ(validation.rows(), 7u);
  torch::NoGradGuard no_grad;
  model->eval();
  const auto all = validation.batch(0, 7);
  const auto masked = static_cast<int64_t>(all.positions.size());
  const double expected = loss_sum(model, all).item<double>() / static_cast<double>(masked);
  for (bool training : {true, false})
    for (int64_t batch : {1, 3, 7, 100}) {
      model->train(training);
      const auto result = validate(model, validation, batch);
      ASSERT_TRUE(result);
      EXPECT_EQ(result->predicted, masked);
      EXPECT_NEAR(result->loss, expected, 1e-5);
      EXPECT_NEAR(result->perplexity(), std::exp(expected), 1e-3);
      EXPECT_EQ(model->is_training(), training);
    }
}

TEST(Validation, StopsBetweenBatches) {
  SmallCorpus text;
  data::ValidationRows validation(text.corpus, text.tokenizer, {.length = 8});
  auto model = tiny(torch::kFloat, 0.3);
  int asked = 0;
  EXPECT_FALSE(validate(model, validation, 1, [&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3);
  EXPECT_TRUE(model->is_training());
}

}  // namespace
}  // namespace saobp::recipes
