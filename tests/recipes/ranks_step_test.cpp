// A step of several ranks against the same step of one process. Holds in a world of any size that divides four: alone
// here, on two ranks under torchrun, where torchrun_test.py starts this program again.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "saobp/recipes/language_model.h"
#include "tests/recipes/tools.h"

namespace saobp::recipes {
namespace {

using model::testing::largest_difference;
using model::testing::same_bits;
using testing::rows;
using testing::tiny;

class RanksStep : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_.emplace(train::launch_from_environment(), train::DistributedOptions{.rank_timeout = 60});
  }
  static void TearDownTestSuite() { world_.reset(); }
  static const train::World& world() { return *world_; }
  static bool is_last() { return world().rank() + 1 == world().size(); }

  // This rank's share of four batches, which differ in how much they predict.
  static std::vector<data::Batch> share() {
    std::vector<data::Batch> own;
    for (int64_t i = world().rank(); i < 4; i += world().size()) own.push_back(rows(2 * i, 2));
    return own;
  }

 private:
  static inline std::optional<train::World> world_;
};

TEST_F(RanksStep, EqualsTheStepOfOneProcess) {
  train::OptimizerOptions options;
  options.epsilon = 1e-3;  // keeps g / (√v + ε) smooth where a gradient is near zero
  auto whole = tiny(torch::kDouble, 0.3), shared = tiny(torch::kDouble, 0.3);
  const train::RegularizerOptions both{.entropy_reg = 0.01, .entropy_reg_tolerance = 0, .eigen_reg = 0.1};
  const auto of_whole = train::add_regularizers(both, whole), of_shared = train::add_regularizers(both, shared);
  const auto p = train::parameters_of(*whole), q = train::parameters_of(*shared);
  train::AdamW a(p, options), b(q, options);
  train::GradientReducer reducer(world(), model::tensors_of(q), 2048);
  const std::vector<data::Batch> four = {rows(0, 2), rows(2, 2), rows(4, 2), rows(6, 2)};
  for (int64_t step = 0; step < 3; ++step) {
    const auto x = train_step(whole, a, four, 1e-2, 1, step, of_whole);
    const auto y = train_step(shared, b, share(), 1e-2, 1, step, reducer, of_shared, [&, asked = 0]() mutable {
      ++asked;  // one that is alone is asked before each further pass too, and would end there
      return is_last() && step == 1 && (world().size() > 1 || asked == 4);
    });
    EXPECT_NEAR(x.loss, y.loss, 1e-10);  // thresholds of Entropy-Reg are floats
    EXPECT_NEAR(x.gradient_norm, y.gradient_norm, 1e-7 * x.gradient_norm);
    for (const char* term : {"entropy_reg", "eigen_reg"}) {
      EXPECT_GT(x.terms.at(term).get<double>(), 1e-4) << term;
      EXPECT_NEAR(x.terms.at(term), y.terms.at(term), 1e-7 * x.terms.at(term).get<double>()) << term;
    }
    EXPECT_EQ(y.stop, step == 1) << "all know what the last rank asked for";
    const auto n = static_cast<double>(world().size());
    EXPECT_EQ(world().sum({y.loss, y.gradient_norm}), (std::vector<double>{n * y.loss, n * y.gradient_norm}));
  }
  // Clipping scales by a float, so that weights may part by its rounding.
  for (size_t i = 0; i < p.size(); ++i) EXPECT_LT(largest_difference(p[i].second, q[i].second), 1e-7) << p[i].first;
}

TEST_F(RanksStep, IsSkippedByAllWhereOneIsNotFinite) {
  auto model = tiny(torch::kFloat, 0);
  const auto parameters = train::parameters_of(*model);
  train::AdamW optimizer(parameters, {});
  train::GradientReducer reducer(world(), model::tensors_of(parameters), 2048);
  if (is_last()) {
    torch::NoGradGuard no_grad;
    model->head()->output_bias[4] = std::numeric_limits<float>::quiet_NaN();
  }
  std::vector<torch::Tensor> before;
  for (const auto& [name, tensor] : parameters) before.push_back(tensor.detach().clone());
  EXPECT_FALSE(std::isfinite(train_step(model, optimizer, share(), 1e-2, 1, 0, reducer).loss));
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(same_bits(parameters[i].second, before[i])) << parameters[i].first;
    EXPECT_FALSE(parameters[i].second.grad().defined()) << parameters[i].first;
  }
}

}  // namespace
}  // namespace saobp::recipes
