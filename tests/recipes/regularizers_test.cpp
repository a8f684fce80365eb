// Entropy-Reg and Eigen-Reg against their definitions, made densely, and their gradients.
#include "saobp/train/regularizers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "saobp/recipes/language_model.h"
#include "saobp/train/entropy_penalty.h"
#include "tests/recipes/tools.h"

namespace saobp::recipes {
namespace {

using model::testing::largest_difference;
using model::testing::tiny_config;

torch::Tensor normal(torch::IntArrayRef sizes, uint64_t seed) {
  return torch::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), torch::kDouble);
}

// The definition, row by row, as numbers.
double penalty_by_rows(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& thresholds,
                       const torch::Tensor& real, bool causal, double tolerance) {
  const auto scores = torch::matmul(query, key.transpose(2, 3)) / std::sqrt(static_cast<double>(query.size(3)));
  double sum = 0;
  for (int64_t b = 0; b < query.size(0); ++b)
    for (int64_t h = 0; h < query.size(1); ++h)
      for (int64_t j = 0; j < query.size(2); ++j) {
        if (!real[b][j].item<bool>()) continue;
        auto seen = real[b].clone();
        if (causal) seen.slice(0, j + 1).fill_(false);
        const auto a = scores[b][h][j].index({seen}).softmax(0);
        const double most = std::log(static_cast<double>(a.size(0)));
        const double delta = -(a * a.log()).sum().item<double>() - thresholds[h].item<double>() * most;
        if (std::abs(delta) > tolerance * most) sum += delta * delta;
      }
  return sum;
}

struct PenaltyCase {
  bool causal, padded;
};

class EntropyPenalty : public ::testing::TestWithParam<PenaltyCase> {
 protected:
  // 70 rows: more than one block. Some heads look sharply, some widely, so that some rows count and some do not.
  torch::Tensor query = normal({2, 3, 70, 8}, 1) * torch::tensor({0.3, 1.5, 6.0}, torch::kDouble).view({1, 3, 1, 1});
  torch::Tensor key = normal({2, 3, 70, 8}, 2);
  torch::Tensor thresholds = torch::tensor({0.7, 0.5, 0.4}, torch::kDouble);
  torch::Tensor real = torch::ones({2, 70}, torch::kBool);

  void SetUp() override {
    if (!GetParam().padded) return;
    real[0].slice(0, 66).fill_(false);
    real[1].slice(0, 0, 3).fill_(false);  // at the left, where causal rows see nothing
  }
  torch::Tensor penalty() const {
    const auto mask = GetParam().padded ? std::optional(real) : std::nullopt;
    return train::entropy_penalty(query, key, thresholds, mask, GetParam().causal, 0.2);
  }
};

TEST_P(EntropyPenalty, IsItsDefinition) {
  const double expected = penalty_by_rows(query, key, thresholds, real, GetParam().causal, 0.2);
  EXPECT_GT(expected, 1);
  EXPECT_LT(expected, penalty_by_rows(query, key, thresholds, real, GetParam().causal, 0) - 0.1) << "rows are left out";
  EXPECT_NEAR(penalty().item<double>(), expected, 1e-10 * expected);
  query = query.to(torch::kFloat), key = key.to(torch::kFloat);
  EXPECT_NEAR(penalty().item<double>(), expected, 1e-4 * expected);
}

TEST_P(EntropyPenalty, GradientsAreTheSlopes) {
  for (auto* input : {&query, &key, &thresholds}) input->requires_grad_();
  (penalty() * 3).backward();
  torch::NoGradGuard no_grad;
  for (auto* input : {&query, &key, &thresholds}) {
    const auto direction = normal(input->sizes(), 5), gradient = input->grad();
    const double step = 1e-6;
    const auto moved = [&](double by) {
      input->add_(direction, by);
      const double value = penalty().item<double>();
      input->add_(direction, -by);
      return value;
    };
    const double slope = 3 * (moved(step) - moved(-step)) / (2 * step);
    EXPECT_GT(std::abs(slope), 1);
    EXPECT_NEAR((gradient * direction).sum().item<double>(), slope, 1e-5 * std::abs(slope));
  }
  if (!GetParam().padded) return;
  // What stands in padding takes no gradient.
  for (const auto& input : {query, key})
    EXPECT_EQ(input.grad().masked_select(~real.view({2, 1, 70, 1})).abs().max().item<double>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, EntropyPenalty,
                         ::testing::Values(PenaltyCase{false, false}, PenaltyCase{false, true},
                                           PenaltyCase{true, false}, PenaltyCase{true, true}),
                         [](const auto& info) {
                           return std::string(info.param.causal ? "causal" : "encoder") +
                                  (info.param.padded ? "Padded" : "");
                         });

TEST(EntropyPenaltyEdges, ARowThatSeesOneKeyHasNone) {
  const auto query = normal({1, 2, 1, 4}, 1), key = normal({1, 2, 1, 4}, 2);
  const auto thresholds = torch::full({2}, 0.5, torch::kDouble);
  for (bool causal : {false, true})
    EXPECT_EQ(train::entropy_penalty(query, key, thresholds, {}, causal, 0.0).item<double>(), 0);
}

// What scores are made of: W = W_Q W_Kᵀ, with hidden · W_Q the queries as the layer's attention sees them.
TEST(EigenReg, SpectrumIsThatOfTheDenseMatrix) {
  torch::NoGradGuard no_grad;
  auto model = model::make_model(tiny_config(), 3);
  model->to(torch::kDouble);
  torch::Tensor query, key;
  const auto keep = [&](const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v) {
    query = q, key = k;
    return v;
  };
  // Of the rows of the identity, without biases, queries are W_Q and keys W_K: [1, heads, n, d].
  model->layers[0]->forward(torch::eye(16, torch::kDouble).unsqueeze(0), keep, 0);
  const auto dense = torch::matmul(query, key.transpose(2, 3))[0];
  const auto spectrum = train::query_key_spectrum(model->layers[0]->qkv_weight, 2);
  EXPECT_LT(largest_difference(spectrum.squared_norm, dense.square().sum({1, 2})), 1e-10);
  EXPECT_LT(largest_difference(spectrum.trace, dense.diagonal(0, 1, 2).sum(-1)), 1e-10);
  EXPECT_GT(spectrum.trace.abs().max().item<double>(), 0.01);
}

TEST(EigenReg, TermAndGradient) {
  for (bool sigma_reparam : {false, true}) {
    auto config = tiny_config();
    config.sigma_reparam = sigma_reparam;
    auto model = model::make_model(config, 3);
    model->to(torch::kDouble);
    auto regularizers = train::add_regularizers({0, 0.2, 0.3, 0.7}, model);
    ASSERT_TRUE(regularizers);
    const auto& weight = model->layers[1]->qkv_weight;
    {
      torch::NoGradGuard no_grad;
      double scale = 0;
      for (auto& layer : model->layers)
        scale += train::query_key_spectrum(layer->weight(model::kQkv), 2).squared_norm.sum().item<double>() / 16;
      EXPECT_NEAR(regularizers->eigen_term(model).item<double>(), 0.3 * scale, 1e-9) << "means are where they began";
      model::testing::draw_every_tensor(model, 5);
    }
    regularizers->eigen_term(model).backward();
    const auto direction = normal(weight.sizes(), 6);
    torch::NoGradGuard no_grad;
    const auto moved = [&](double by) {
      weight.add_(direction, by);
      const double value = regularizers->eigen_term(model).item<double>();
      weight.add_(direction, -by);
      return value;
    };
    const double step = 1e-5, slope = (moved(step) - moved(-step)) / (2 * step);
    EXPECT_GT(std::abs(slope), 1e-4);
    EXPECT_NEAR((weight.grad() * direction).sum().item<double>(), slope, 1e-6 * std::max(1.0, std::abs(slope)));
  }
}

// The terms are part of what is minimised and of nothing else, and small batches are one large one here too.
TEST(TrainStep, RegularisersActAndAreReported) {
  const auto trained = [](const train::RegularizerOptions& options, std::vector<data::Batch> batches) {
    auto config = tiny_config(attention::Variant::original, 0);
    config.set_dropout(0);
    auto model = model::make_model(config, 3);
    model->to(torch::kDouble);
    model->train();
    auto regularizers = train::add_regularizers(options, model);
    train::OptimizerOptions smooth;
    smooth.epsilon = 1e-3;
    train::AdamW optimizer(train::parameters_of(*model), smooth);
    std::vector<train::StepResult> results(3);
    for (int64_t step = 0; step < 3; ++step)
      results[static_cast<size_t>(step)] = train_step(model, optimizer, batches, 1e-2, 1, step, regularizers);
    return std::pair(results, model);
  };
  const train::RegularizerOptions both = {0.01, 0.2, 0.5, 1};
  const auto [plain, plain_model] = trained({}, {recipes::testing::rows(0, 6)});
  const auto [whole, model] = trained(both, {recipes::testing::rows(0, 6)});
  const auto [parts, other] = trained(both, {recipes::testing::rows(0, 2), testing::rows(2, 4)});
  EXPECT_TRUE(plain[0].terms.empty());
  EXPECT_EQ(whole[0].loss, plain[0].loss) << "the language model's alone";
  EXPECT_NE(whole[0].gradient_norm, plain[0].gradient_norm);
  EXPECT_LT(whole[2].terms["eigen_reg"].get<double>(), whole[0].terms["eigen_reg"].get<double>());
  for (size_t i = 0; i < 3; ++i)
    for (const char* name : {"entropy_reg", "eigen_reg"}) {
      EXPECT_GT(whole[i].terms[name].get<double>(), 0);
      EXPECT_NEAR(parts[i].terms[name].get<double>(), whole[i].terms[name].get<double>(), 1e-6) << name;
    }
  const auto thresholds = model->named_parameters()["regularizers.entropy_thresholds"];
  EXPECT_EQ(thresholds.numel(), 4);
  EXPECT_GT((thresholds - 0.5).abs().max().item<double>(), 1e-3) << "thresholds learn";
  EXPECT_LT(largest_difference(model->layers[0]->qkv_weight, other->layers[0]->qkv_weight), 1e-6);
}

}  // namespace
}  // namespace saobp::recipes
