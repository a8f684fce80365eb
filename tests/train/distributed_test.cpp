// What a process learns from its environment, and ranks that train together against one process with all the data.
//
// The suites Ranks and Restarted hold in a world of any size: alone here, in several processes under torchrun, where
// torchrun_test.py starts this program again. LostRank needs a second rank.
#include "saobp/train/distributed.h"

#include <gtest/gtest.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <optional>

#include "saobp/train/gradient_reducer.h"
#include "tests/model/tools.h"

namespace saobp::train {
namespace {

using model::testing::error_of;
using model::testing::largest_difference;
using model::testing::same_bits;

// The launch variables are these alone while it lives.
class LaunchVariables {
 public:
  explicit LaunchVariables(const std::map<std::string, std::string>& values) {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      ::unsetenv(name);
    }
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~LaunchVariables() {
    for (const char* name : kNames) ::unsetenv(name);
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  static constexpr const char* kNames[] = {"RANK",
                                           "WORLD_SIZE",
                                           "LOCAL_RANK",
                                           "MASTER_ADDR",
                                           "MASTER_PORT",
                                           "TORCHELASTIC_USE_AGENT_STORE",
                                           "TORCHELASTIC_RESTART_COUNT",
                                           "TORCHELASTIC_RUN_ID"};
  std::map<std::string, std::string> before_;
};

const std::map<std::string, std::string> kSecondOfFour = {
    {"RANK", "1"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}, {"MASTER_ADDR", "node-7"}, {"MASTER_PORT", "29500"}};

TEST(Launch, IsAWorldOfOneWithoutVariables) {
  LaunchVariables none({});
  const auto launch = launch_from_environment();
  EXPECT_EQ(launch.rank, 0);
  EXPECT_EQ(launch.world_size, 1);
  EXPECT_EQ(launch.master_addr, "");
}

TEST(Launch, ReadsTorchrun) {
  {
    LaunchVariables set(kSecondOfFour);
    const auto launch = launch_from_environment();
    EXPECT_EQ(launch.rank, 1);
    EXPECT_EQ(launch.world_size, 4);
    EXPECT_EQ(launch.local_rank, 1);
    EXPECT_EQ(launch.master_addr, "node-7");
    EXPECT_EQ(launch.master_port, 29500);
    EXPECT_FALSE(launch.agent_store);
    EXPECT_EQ(launch.attempt, 0);
  }
  auto elastic = kSecondOfFour;
  elastic["TORCHELASTIC_USE_AGENT_STORE"] = "True", elastic["TORCHELASTIC_RESTART_COUNT"] = "3";
  elastic["TORCHELASTIC_RUN_ID"] = "none";  // what torchrun says where it was told none
  EXPECT_EQ((LaunchVariables(elastic), launch_from_environment().job), "");
  elastic["TORCHELASTIC_RUN_ID"] = "small";
  LaunchVariables set(elastic);
  EXPECT_EQ(launch_from_environment().job, "small");
  EXPECT_TRUE(launch_from_environment().agent_store);
  EXPECT_EQ(launch_from_environment().attempt, 3);
}

TEST(Launch, NamesAMissingVariable) {
  for (const auto& [name, value] : kSecondOfFour) {
    auto without = kSecondOfFour;
    without[name] = "";  // set to nothing counts as not set
    LaunchVariables set(without);
    const auto error = error_of([] { launch_from_environment(); });
    EXPECT_NE(error.find(" is set and " + name + " is not; "), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
}

TEST(Launch, NamesAMalformedVariable) {
  const std::tuple<const char*, const char*, const char*> cases[] = {{"RANK", "4", "0 to 3"},
                                                                     {"RANK", "-1", "0 to 3"},
                                                                     {"RANK", "one", "0 to 3"},
                                                                     {"RANK", "1 ", "0 to 3"},
                                                                     {"WORLD_SIZE", "0", "1 to "},
                                                                     {"WORLD_SIZE", "2.0", "1 to "},
                                                                     {"LOCAL_RANK", "4", "0 to 3"},
                                                                     {"MASTER_PORT", "0", "1 to 65535"},
                                                                     {"MASTER_PORT", "65536", "1 to 65535"},
                                                                     {"WORLD_SIZE", "99999999999999999999", "1 to "}};
  for (const auto& [name, value, range] : cases) {
    auto wrong = kSecondOfFour;
    wrong[name] = value;
    LaunchVariables set(wrong);
    const auto error = error_of([] { launch_from_environment(); });
    EXPECT_TRUE(error.starts_with(concat("environment: ", name, " is \"", value, "\"; a whole number from ", range)))
        << error;
  }
}

TEST(DistributedOptions, NameTheFlag) {
  EXPECT_EQ(error_of([] { check(DistributedOptions{}); }), "no error");
  EXPECT_EQ(error_of([] { check(DistributedOptions{.bucket_mb = 0}); }),
            "usage: --bucket-mb: 0 was given; a number from 1 to 4096 was expected");
  EXPECT_EQ(error_of([] { check(DistributedOptions{.rank_timeout = -5}); }),
            "usage: --rank-timeout: -5 was given; a number from 1 to 604800 was expected");
}

TEST(GradientReducer, CostsNothingAlone) {
  auto weight = torch::ones({3}, torch::requires_grad());
  GradientReducer reducer(World(), {weight}, 1 << 20);
  EXPECT_EQ(reducer.buckets(), 0u);
  for (bool last : {false, true}) reducer.backward((weight * weight).sum(), last);
  EXPECT_TRUE(same_bits(weight.grad(), torch::full({3}, 4.0F)));
}

int64_t seconds_from_environment(const char* name, int64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::atoll(value) : otherwise;
}

World join() {
  return World(launch_from_environment(), {.rank_timeout = seconds_from_environment("SAOBP_TEST_RANK_TIMEOUT", 60)});
}

// 12 rows, 2 of them for each of six micro-batches, which 1, 2, 3 or 6 ranks share evenly; targets for two to five
// places a row, so that ranks differ in how many they have.
constexpr int64_t kMicroBatches = 6, kRows = 2, kLength = 9;

struct MicroBatch {
  torch::Tensor ids, places, targets;
};

MicroBatch micro_batch(int64_t index, int64_t step) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(1000 * step + index));
  const auto draw = [&](int64_t high, torch::IntArrayRef shape) {
    return torch::randint(high, shape, generator, torch::kInt64);
  };
  const int64_t targets = kRows * (2 + index % 4);
  return {draw(50, {kRows, kLength}), draw(kRows * kLength, {targets}), draw(50, {targets})};
}

model::Model tiny(torch::ScalarType type, uint64_t seed = 3) {
  auto config = model::testing::tiny_config();
  config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0;
  auto model = model::make_model(config, seed);
  model->to(type);
  return model;
}

torch::Tensor loss_sum(model::Model& model, const MicroBatch& batch) {
  auto hidden = model->hidden_states(batch.ids).reshape({kRows * kLength, -1}).index_select(0, batch.places);
  return torch::cross_entropy_loss(model->logits(hidden), batch.targets, {}, at::Reduction::Sum);
}

// One process, all the data: the mean's gradients.
void whole_backward(model::Model& model, int64_t step) {
  torch::Tensor loss = torch::zeros({}, model->norm_weight.options());
  int64_t targets = 0;
  for (int64_t i = 0; i < kMicroBatches; ++i) {
    const auto batch = micro_batch(i, step);
    loss = loss + loss_sum(model, batch);
    targets += batch.targets.numel();
  }
  (loss / targets).backward();
}

// This rank's share, as one pass or one a micro-batch.
void shared_backward(const World& world, GradientReducer& reducer, model::Model& model, int64_t step, bool accumulate) {
  std::vector<MicroBatch> own;
  double targets = 0;
  for (int64_t i = world.rank(); i < kMicroBatches; i += world.size()) {
    own.push_back(micro_batch(i, step));
    targets += static_cast<double>(own.back().targets.numel());
  }
  targets = world.sum(targets);
  torch::Tensor loss;
  for (size_t i = 0; i < own.size(); ++i) {
    auto part = loss_sum(model, own[i]) / targets;
    loss = loss.defined() ? loss + part : part;
    const bool last = i + 1 == own.size();
    if (!accumulate && !last) continue;
    reducer.backward(loss, last);
    loss.reset();
  }
}

double relative_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return largest_difference(a, b) / b.abs().max().item<double>();
}

class Ranks : public testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = join(); }
  static void TearDownTestSuite() { world_.reset(); }
  static const World& world() { return *world_; }

 private:
  static inline std::optional<World> world_;
};

TEST_F(Ranks, SumBroadcastAndBarrier) {
  const auto n = static_cast<double>(world().size());
  EXPECT_EQ(world().sum(static_cast<double>(world().rank()) + 0.5), n * (n - 1) / 2 + n / 2);
  EXPECT_EQ(world().sum({1.0, -2.0, static_cast<double>(world().is_first())}), (std::vector<double>{n, -2 * n, 1.0}));
  const auto own = static_cast<float>(world().rank());
  auto weight = torch::full({5, 3}, own, torch::requires_grad());
  auto counts = torch::full({4}, 7 + world().rank(), torch::kInt64);
  world().broadcast({weight, counts});
  EXPECT_TRUE(same_bits(weight, torch::zeros({5, 3})));
  EXPECT_TRUE(same_bits(counts, torch::full({4}, 7, torch::kInt64)));
  world().barrier();
}

TEST_F(Ranks, GradientsEqualTheWholeBatch) {
  // Sums of some 50 numbers in another order: a few units in the last place of the largest.
  const std::pair<torch::ScalarType, double> cases[] = {{torch::kDouble, 1e-14}, {torch::kFloat, 5e-6}};
  for (auto [type, tolerance] : cases)
    for (int64_t bucket_bytes : {int64_t{1}, int64_t{2048}, int64_t{8} << 20})
      for (bool accumulate : {false, true}) {
        auto whole = tiny(type), shared = tiny(type);
        whole_backward(whole, 0);
        GradientReducer reducer(world(), shared->parameters(), bucket_bytes);
        shared_backward(world(), reducer, shared, 0, accumulate);
        const auto p = whole->named_parameters(), q = shared->named_parameters();
        for (const auto& item : p)
          EXPECT_LT(relative_difference(q[item.key()].grad(), item.value().grad()), tolerance)
              << item.key() << ", " << bucket_bytes << " bytes, accumulation " << accumulate;
        if (world().size() == 1) continue;
        EXPECT_EQ(reducer.buckets() == p.size(), bucket_bytes == 1);
        EXPECT_EQ(reducer.buckets() == 1, bucket_bytes == int64_t{8} << 20);
      }
}

template <class Optimizer, class Options>
void steps_equal_the_whole_batch(const World& world, const Options& options) {
  // Every rank starts elsewhere, and from rank 0's weights after the broadcast.
  auto whole = tiny(torch::kDouble), shared = tiny(torch::kDouble, 3 + static_cast<uint64_t>(world.rank()));
  world.broadcast(shared->parameters());
  Optimizer a(whole->parameters(), options), b(shared->parameters(), options);
  GradientReducer reducer(world, shared->parameters(), 4096);
  for (int64_t step = 0; step < 5; ++step) {
    whole_backward(whole, step);
    shared_backward(world, reducer, shared, step, step % 2 == 1);
    a.step(), b.step();
    a.zero_grad(true);
    b.zero_grad(step < 3);  // dropped, or zeroed where they lie in the bucket
  }
  const auto p = whole->named_parameters(), q = shared->named_parameters(),
             start = tiny(torch::kDouble)->named_parameters();
  for (const auto& item : p) {
    EXPECT_LT(largest_difference(q[item.key()], item.value()), 1e-12) << item.key();
    EXPECT_GT(largest_difference(start[item.key()], item.value()), 1e-4) << item.key();
  }
  // Ranks stay together to the bit.
  for (const auto& item : q) {
    auto first = item.value().detach().clone();
    world.broadcast({first});
    EXPECT_TRUE(same_bits(first, item.value())) << item.key();
  }
}

TEST_F(Ranks, StochasticGradientDescentEqualsTheWholeBatch) {
  steps_equal_the_whole_batch<torch::optim::SGD>(world(), torch::optim::SGDOptions(0.1).momentum(0.9));
}

TEST_F(Ranks, AdamWEqualsTheWholeBatch) {
  // A large epsilon keeps g / (√v + ε) smooth where a gradient is near zero.
  steps_equal_the_whole_batch<torch::optim::AdamW>(world(), torch::optim::AdamWOptions(1e-2).eps(1e-3));
}

TEST_F(Ranks, RepeatedStepsAreTheSameBits) {
  auto model = tiny(torch::kFloat);
  GradientReducer reducer(world(), model->parameters(), 2048);
  std::vector<torch::Tensor> before;
  for (int repeat = 0; repeat < 5; ++repeat) {
    shared_backward(world(), reducer, model, 0, true);
    for (size_t i = 0; auto& parameter : model->parameters()) {
      if (repeat == 0) before.push_back(parameter.grad().clone());
      EXPECT_TRUE(same_bits(parameter.grad(), before[i++]));
      parameter.mutable_grad().reset();
    }
  }
}

// Rank r uses parameters 0 and 1 + r; the last one is used in the first pass only, by rank 0, and one never.
TEST_F(Ranks, AParameterWithoutAGradientCountsAsZero) {
  const auto n = world().size();
  std::vector<torch::Tensor> parameters;
  for (int64_t i = 0; i < n + 3; ++i) parameters.push_back(torch::full({2, 3}, 1.0 + i, torch::requires_grad()));
  auto frozen = torch::ones({3}), never = parameters[n + 1], early = parameters[n + 2];
  auto listed = parameters;
  listed.push_back(frozen);
  GradientReducer reducer(world(), listed, 30);
  const auto own = 1 + world().rank();
  for (int repeat = 0; repeat < 2; ++repeat) {
    auto first_pass = parameters[0].sum();
    if (world().is_first()) first_pass = first_pass + 5 * early.sum();
    reducer.backward(first_pass, false);
    EXPECT_EQ(parameters[0].grad()[0][0].item<double>(), 1) << "nothing is summed before the last pass";
    reducer.backward((parameters[0] * parameters[static_cast<size_t>(own)]).sum(), true);
    // Σ over ranks of 1 + (2 + r)
    EXPECT_TRUE(same_bits(parameters[0].grad(), torch::full({2, 3}, static_cast<float>(n * 3 + n * (n - 1) / 2))));
    for (int64_t r = 0; r < n; ++r)
      EXPECT_TRUE(same_bits(parameters[static_cast<size_t>(1 + r)].grad(), torch::ones({2, 3}))) << r;
    EXPECT_TRUE(same_bits(early.grad(), torch::full({2, 3}, 5.0F)));
    if (n > 1) {
      EXPECT_TRUE(same_bits(never.grad(), torch::zeros({2, 3})));
    }
    EXPECT_FALSE(frozen.grad().defined());
    for (auto& parameter : parameters) parameter.mutable_grad().reset();
  }
}

TEST_F(Ranks, SumsInEveryType) {
  for (auto type : {torch::kFloat, torch::kDouble, torch::kBFloat16, torch::kHalf}) {
    auto weight = torch::ones({7}, torch::dtype(type)).requires_grad_();
    auto other = torch::ones({2}, torch::requires_grad());  // of another type, so in a bucket of its own
    GradientReducer reducer(world(), {weight, other}, 1 << 20);
    reducer.backward((weight * 1.5).sum() + other.sum(), true);
    const auto n = static_cast<double>(world().size());
    EXPECT_TRUE(same_bits(weight.grad(), torch::full({7}, 1.5 * n, type))) << type;
    EXPECT_TRUE(same_bits(other.grad(), torch::full({2}, n, torch::kFloat))) << type;
  }
}

// An error in the model's own backward is not taken for a lost rank, and leaves the reducer usable.
TEST_F(Ranks, AFailingBackwardIsItsOwnError) {
  auto weight = torch::ones({3}, torch::requires_grad());
  GradientReducer reducer(world(), {weight}, 1 << 20);
  EXPECT_THROW(reducer.backward(weight * 2, true), c10::Error) << "no scalar";
  reducer.backward(weight.sum(), true);
  EXPECT_TRUE(same_bits(weight.grad(), torch::full({3}, static_cast<float>(world().size()))));
}

// The last rank is killed in the first attempt of a restarted group; the second one gets through.
TEST(Restarted, TheGroupForgetsTheFirstAttempt) {
  const auto launch = launch_from_environment();
  const auto world = join();
  auto weight = torch::ones({3}, torch::requires_grad());
  GradientReducer reducer(world, {weight}, 1 << 20);
  for (int step = 0; step < 4; ++step) {
    if (step == 2 && launch.world_size > 1 && launch.attempt == 0 && launch.rank + 1 == launch.world_size)
      ::raise(SIGKILL);
    weight.mutable_grad().reset();
    reducer.backward(weight.sum(), true);
  }
  EXPECT_TRUE(same_bits(weight.grad(), torch::full({3}, static_cast<float>(world.size()))));
  std::printf("attempt %d done\n", static_cast<int>(launch.attempt));
}

// Steps until the last rank stops, by the signal that SAOBP_TEST_SIGNAL names; prints the error of the others.
TEST(LostRank, IsOneClearLine) {
  if (!std::getenv("SAOBP_TEST_SIGNAL")) GTEST_SKIP() << "needs a second rank: torchrun_test.py starts them";
  const auto error = error_of([] {
    const auto world = join();
    auto model = tiny(torch::kFloat);
    GradientReducer reducer(world, model->parameters(), 1024);
    for (int64_t step = 0; step < 4; ++step) {
      if (step == 2 && world.rank() + 1 == world.size()) ::raise(std::atoi(std::getenv("SAOBP_TEST_SIGNAL")));
      shared_backward(world, reducer, model, step, false);
    }
  });
  std::printf("error: %s\n", error.c_str());
}

}  // namespace
}  // namespace saobp::train
