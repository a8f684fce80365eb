// No result holds memory that was never written: training, validation, generation and analysis give the same bits where
// all fresh memory is NaN, and no product has anything but numbers around its operands (tests/poison.h).
#include <gtest/gtest.h>

#include "saobp/analysis/analyze.h"
#include "saobp/model/generate.h"
#include "saobp/model/matmul.h"
#include "saobp/recipes/language_model.h"
#include "saobp/train/linear_cross_entropy.h"
#include "tests/poison.h"
#include "tests/recipes/tools.h"

namespace saobp::recipes {
namespace {

using attention::Variant;
using model::Family;
using model::testing::same_bits;
using tests::PoisonedMemory;
using tests::ProductWatch;

// Sizes that are multiples of nothing: an odd vocabulary, 12 channels a head, 70 positions in two blocks of rows.
struct Training {
  const model::Family* family = &model::kBert;
  Variant variant = Variant::high;
  torch::ScalarType type = torch::kFloat;
  double dropout = 0;
  bool padded = false, baselines = false;

  model::ModelConfig config() const {
    auto config = model::testing::tiny_config(variant);
    config.family = family, config.vocab_size = 51, config.hidden_size = 24, config.intermediate_size = 36;
    config.max_position_embeddings = 70, config.initializer_range = 0.1;
    config.refined_attention.qk_norm = config.sigma_reparam = baselines;
    config.set_dropout(dropout);
    return config;
  }
  std::string name() const {
    return concat(family == &model::kBert ? "bert " : "gpt2 ", io::enum_name(variant), " ", type, " dropout ", dropout,
                  padded ? " padded" : "", baselines ? " baselines" : "");
  }
};

// Every third token is to be predicted; odd rows end in padding.
data::Batch batch_of(int64_t rows, int64_t length, bool padded) {
  data::Batch batch;
  batch.rows = rows, batch.length = length, batch.padded = padded;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < length; ++i) {
      const bool real = !padded || row % 2 == 0 || i < length - 5;
      batch.attention_mask.push_back(real);
      batch.input_ids.push_back(real ? 1 + (row * 13 + i * 7) % 50 : 0);
      if (!real || i % 3 != 1) continue;
      batch.positions.push_back(row * length + i);
      batch.targets.push_back((row * 5 + i) % 51);
    }
  return batch;
}

// Three steps and a look without gradients: losses, norms, and every weight.
std::vector<torch::Tensor> train(const Training& run) {
  auto model = model::make_model(run.config(), 3);
  if (run.type != torch::kFloat) model->compute_type = run.type;
  model->train();
  train::RegularizerOptions extra;
  if (run.baselines) extra.entropy_reg = 1e-3, extra.eigen_reg = 0.01;
  auto regularizers = train::add_regularizers(extra, model);
  train::AdamW optimizer(train::parameters_of(*model), {});
  const std::vector<data::Batch> batches = {batch_of(3, 70, run.padded), batch_of(2, 9, run.padded)};
  std::vector<torch::Tensor> results;
  for (int64_t step = 1; step <= 3; ++step) {
    const auto result = train_step(model, optimizer, batches, 1e-2, 7, step, regularizers);
    results.push_back(torch::tensor({result.loss, result.gradient_norm}, torch::kDouble));
  }
  const torch::NoGradGuard no_grad;
  model->eval();
  results.push_back(loss_sum(model, batches[0]).detach());
  for (const auto& [name, parameter] : train::parameters_of(*model)) results.push_back(parameter.detach().clone());
  return results;
}

void expect_same(const std::vector<torch::Tensor>& actual, const std::vector<torch::Tensor>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_TRUE(same_bits(actual[i], expected[i])) << "result " << i;
    EXPECT_TRUE(expected[i].isfinite().all().item<bool>()) << "result " << i;
  }
}

// The same results under poison as without it, and no fault around the operands of `products` products or more.
void expect_untouched(int64_t products, const std::function<std::vector<torch::Tensor>()>& work) {
  const auto expected = work();
  PoisonedMemory poison;
  ProductWatch watch;
  expect_same(work(), expected);
  EXPECT_GE(watch.products(), products);
  for (const auto& fault : watch.faults()) ADD_FAILURE() << fault;
}

TEST(Poison, TrainsEveryModelToTheSameBits) {
  for (const auto family : {&model::kBert, &model::kGpt2})
    for (const auto variant : {Variant::original, Variant::high, Variant::low, Variant::elemmul})
      for (const auto type : {torch::kFloat, torch::kBFloat16})
        for (const double dropout : {0.0, 0.2})
          for (const bool padded : {false, true}) {
            const Training run{family, variant, type, dropout, padded};
            SCOPED_TRACE(run.name());
            // Products of floats are oneDNN's without ATen's knowledge.
            expect_untouched(type == torch::kFloat ? 0 : 100, [&] { return train(run); });
          }
}

TEST(Poison, TrainsBaselinesToTheSameBits) {
  for (const auto family : {&model::kBert, &model::kGpt2})
    for (const auto type : {torch::kFloat, torch::kBFloat16}) {
      const Training run{family, Variant::original, type, 0.1, true, true};
      SCOPED_TRACE(run.name());
      expect_untouched(20, [&] { return train(run); });
    }
}

TEST(Poison, GeneratesTheSameTokens) {
  for (const auto variant : {Variant::original, Variant::high, Variant::elemmul})
    for (const auto type : {torch::kFloat, torch::kBFloat16}) {
      SCOPED_TRACE(io::enum_name(variant));
      expect_untouched(type == torch::kFloat ? 0 : 100, [&] {
        auto model = model::make_model(Training{&model::kGpt2, variant}.config(), 3);
        if (type != torch::kFloat) model->compute_type = type;
        model->eval();
        model::SamplingOptions options;
        options.max_new_tokens = 40;
        return std::vector{torch::tensor(model::generate(*model, {3, 1, 4}, options, {51, {}}).ids)};
      });
    }
}

TEST(Poison, AnalysesToTheSameNumbers) {
  for (const auto family : {&model::kBert, &model::kGpt2})
    for (const auto variant : {Variant::high, Variant::elemmul}) {
      const Training run{family, variant};
      SCOPED_TRACE(run.name());
      expect_untouched(10, [&] {
        auto model = model::make_model(run.config(), 3);
        std::vector<torch::Tensor> all;
        for (const auto& layer : analysis::capture(model, {{1, 2, 3, 5, 8, 13, 21}, {}, {}}).layers) {
          const auto [a, b] = analysis::matrices_of(layer);
          for (const auto& matrix : {a, b})
            all.push_back(analysis::indirect_attention(matrix, analysis::MeasureOptions()).clone());
        }
        return all;
      });
    }
}

// Gaps behind 30,001 words, several chunks.
TEST(Poison, LossOverALargeVocabulary) {
  for (const auto type : {torch::kFloat, torch::kBFloat16})
    for (const bool with_bias : {false, true}) {
      SCOPED_TRACE(concat(type, with_bias ? " with bias" : ""));
      expect_untouched(type == torch::kFloat ? 0 : 3, [&] {
        torch::manual_seed(3);
        std::vector inputs = {torch::randn({700, 16}).to(type).set_requires_grad(true),
                              torch::randn({30001, 16}).set_requires_grad(true)};
        if (with_bias) inputs.push_back(torch::randn({30001}).set_requires_grad(true));
        const auto loss = train::linear_cross_entropy(inputs[0], inputs[1], with_bias ? inputs[2] : torch::Tensor(),
                                                      torch::arange(700) * 42, 1.0 / 700);
        auto results = torch::autograd::grad({loss}, inputs);
        results.push_back(loss.detach());
        return results;
      });
    }
}

// What the other tests rest on.
TEST(Poison, ShowsWhatWasNeverWritten) {
  {
    PoisonedMemory poison;
    for (const auto type : {torch::kFloat, torch::kBFloat16, torch::kHalf, torch::kDouble})
      EXPECT_TRUE(torch::empty({1000}, type).isnan().all().item<bool>()) << type;
    float* floats;
    const attention::cpu::Scratch scratch([&](auto& place) { place(floats, 40); });
    EXPECT_TRUE(std::isnan(floats[39]));

    const auto right = torch::ones({50, 3}, torch::kBFloat16);
    const auto faults = [&](const torch::Tensor& left) {
      ProductWatch watch;
      torch::mm(left, right);
      torch::mm(left.t(), torch::ones({4, 3}, torch::kBFloat16));
      torch::addmm(torch::zeros({4, 3}, torch::kBFloat16), left, right);
      EXPECT_EQ(watch.products(), 3);
      return watch.faults();
    };
    const auto gap = torch::empty({4, 64}, torch::kBFloat16).narrow(1, 0, 50).fill_(1);
    EXPECT_EQ(*faults(gap).begin(), "aten::addmm [4 50], strides [64 1]");
    EXPECT_EQ(faults(gap).size(), 3u);
    EXPECT_TRUE(faults(torch::ones({4, 50}, torch::kBFloat16)).empty());
    EXPECT_TRUE(faults(model::aligned_rows(4, 50, torch::kBFloat16).fill_(1)).empty());
  }
  EXPECT_FALSE(torch::ones({1000}).isnan().any().item<bool>());
}

TEST(AlignedRows, BeginOnCacheLinesAndAreFollowedByZeros) {
  PoisonedMemory poison;
  for (const int64_t columns : {1, 31, 32, 33, 50}) {
    const auto rows = model::aligned_rows(3, columns, torch::kBFloat16);
    EXPECT_EQ(rows.size(1), columns);
    EXPECT_EQ(rows.stride(0), model::aligned_stride(columns));
    EXPECT_EQ(rows.stride(0) % 32, 0);
    const auto gap = rows.as_strided({3, rows.stride(0) - columns}, {rows.stride(0), 1}, columns);
    EXPECT_TRUE(gap.eq(0).all().item<bool>()) << columns;
    EXPECT_TRUE(rows.isnan().all().item<bool>()) << "nothing is written twice";
  }
}

}  // namespace
}  // namespace saobp::recipes
