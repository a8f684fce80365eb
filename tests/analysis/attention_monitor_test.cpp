#include "saobp/analysis/attention_monitor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "saobp/analysis/analyze.h"
#include "saobp/model/libtorch.h"
#include "tests/model/tools.h"

namespace saobp::analysis {
namespace {

using attention::Variant;
using model::testing::error_of;
using model::testing::tiny_config;

const std::vector<std::vector<int64_t>> kSequences = {
    {2, 5, 9, 31, 44, 8, 17, 3}, {2, 7, 7, 12, 3}, {2, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 3}};

struct Batch {
  torch::Tensor ids, mask;
};

Batch make_batch(const std::vector<std::vector<int64_t>>& sequences) {
  const auto count = static_cast<int64_t>(sequences.size());
  Batch batch{torch::zeros({count, 12}, torch::kLong), torch::zeros({count, 12}, torch::kBool)};
  for (int64_t i = 0; i < count; ++i) {
    const auto length = static_cast<int64_t>(sequences[i].size());
    batch.ids[i].slice(0, 0, length) = torch::tensor(sequences[i]);
    batch.mask[i].slice(0, 0, length) = true;
  }
  return batch;
}

MonitoredAttention monitor(model::Model& bert, const std::vector<Batch>& batches, int64_t probes = 512) {
  bert->eval();
  MonitorOptions options;
  options.monitor_probes = probes;
  return *monitor_attention(options, {}, [&](const model::AttentionProbe& probe) {
    for (const auto& batch : batches) bert->hidden_states({batch.ids, batch.mask}, probe);
  });
}

// A model with random weights on padded sequences: what saobp analyze says of them, exactly, is what is expected.
TEST(AttentionMonitor, AgreesWithTheExactAnalysisOfAModel) {
  for (const auto variant : {Variant::original, Variant::high, Variant::low, Variant::elemmul}) {
    SCOPED_TRACE(io::enum_name(variant));
    const bool refines = variant == Variant::high || variant == Variant::low;
    auto bert = model::make_model(tiny_config(variant, refines ? 0.5 : 0), 3);
    const auto state = monitor(bert, {make_batch(kSequences)});
    const auto json = state.to_json(40);
    std::vector<AnalysisItem> items;
    items.reserve(kSequences.size());
    for (const auto& ids : kSequences) items.push_back({{ids, {}, {}}, {}});
    const auto exact = analyze(bert, items, {}, "model", "text")["matrices"];
    EXPECT_EQ(json["step"], 40);
    EXPECT_EQ(json["monitored_sequences"], 3);
    for (const char* matrix : {"A", "B"}) {
      const auto& found = json["attention"][matrix];
      EXPECT_EQ(found["attention_entropy"].is_null(), variant == Variant::elemmul && *matrix == 'B');
      ASSERT_EQ(found["gtd"].size(), 2u);
      for (size_t layer = 0; layer < 2; ++layer)
        for (size_t head = 0; head < 2; ++head) {
          SCOPED_TRACE(concat(matrix, ", layer ", layer, ", head ", head));
          if (!found["attention_entropy"].is_null()) {
            EXPECT_NEAR(found["attention_entropy"][layer][head].get<double>(),
                        exact[matrix]["attention_entropy"][layer][head].get<double>(), 1e-5);
          }
          EXPECT_NEAR(found["top_key_share"][layer][head].get<double>(),
                      exact[matrix]["top_key_share"][layer][head].get<double>(), 1e-5);
          const double error = found["gtd_standard_error"][layer][head];
          EXPECT_GT(error, 0);
          EXPECT_LT(error, 0.02);
          EXPECT_NEAR(found["gtd"][layer][head].get<double>(), exact[matrix]["gtd"][layer][head].get<double>(),
                      4.5 * error + 1e-6);
        }
    }
  }
}

TEST(AttentionMonitor, SeveralPassesCountAsOne) {
  auto bert = model::make_model(tiny_config(), 3);
  const auto whole = monitor(bert, {make_batch(kSequences)});
  const auto parts = monitor(bert, {make_batch({kSequences[0]}), make_batch({kSequences[1], kSequences[2]})});
  EXPECT_EQ(parts.sequences, 3);
  for (size_t layer = 0; layer < 2; ++layer)
    for (size_t head = 0; head < 2; ++head) {
      EXPECT_NEAR(parts.after.attention_entropy[layer][head], whole.after.attention_entropy[layer][head], 1e-5);
      EXPECT_NEAR(parts.after.gtd[layer][head], whole.after.gtd[layer][head],
                  6 * whole.after.gtd_standard_error[layer][head]);
    }
}

TEST(AttentionMonitor, EveryLookAtTheSameModelSaysTheSame) {
  auto bert = model::make_model(tiny_config(), 3);
  const auto batch = make_batch(kSequences);
  EXPECT_EQ(monitor(bert, {batch}, 8).to_json(1), monitor(bert, {batch}, 8).to_json(1));
}

// So that a signal is answered during a long look: 64 probes of 8 channels take 8 passes for each of A and B.
TEST(AttentionMonitor, IsStoppedBetweenPasses) {
  auto bert = model::make_model(tiny_config(), 3);
  const auto batch = make_batch(kSequences);
  MonitorOptions options;
  const auto look = [&](int64_t stop_at) {
    int64_t asked = 0;
    const auto seen = monitor_attention(
        options, {}, [&](const model::AttentionProbe& probe) { bert->hidden_states({batch.ids, batch.mask}, probe); },
        [&] { return ++asked == stop_at; });
    return std::pair(seen.has_value(), asked);
  };
  bert->eval();
  EXPECT_EQ(look(0), std::pair(true, int64_t{32}));
  for (int64_t at : {1, 7, 9, 32}) EXPECT_EQ(look(at), std::pair(false, at));
}

// Entropy collapse is what the monitor is for.
TEST(AttentionMonitor, ACollapsedHeadIsNamed) {
  auto bert = model::make_model(tiny_config(Variant::original, 0), 3);
  {
    const torch::NoGradGuard no_grad;
    bert->layers[1]->qkv_weight.slice(0, 8, 16).mul_(1000);  // the query of layer 1, head 1
  }
  const auto state = monitor(bert, {make_batch(kSequences)}, 8);
  EXPECT_LT(state.after.attention_entropy[1][1], 0.05);
  EXPECT_NE(state.summary().find("layer 1 head 1), GTD 0."), std::string::npos) << state.summary();
  std::map<std::string, double> scalars;
  for (const auto& [tag, value] : state.scalars()) scalars[tag] = value;
  EXPECT_EQ(scalars.size(), 16u);  // four of two matrices and two layers
  EXPECT_DOUBLE_EQ(scalars.at("top_key_share_B/layer_0"),
                   (state.after.top_key_share[0][0] + state.after.top_key_share[0][1]) / 2);
  EXPECT_EQ(scalars.at("lowest_head_entropy_B/layer_1"), state.after.attention_entropy[1][1]);
  EXPECT_DOUBLE_EQ(scalars.at("attention_entropy_A/layer_1"),
                   (state.before.attention_entropy[1][0] + state.before.attention_entropy[1][1]) / 2);
  EXPECT_DOUBLE_EQ(scalars.at("gtd_B/layer_0"), (state.after.gtd[0][0] + state.after.gtd[0][1]) / 2);
}

TEST(AttentionMonitor, SaysWhatIsWrong) {
  EXPECT_NE(error_of([] { monitor_attention({}, {}, [](const auto&) {}); }).find("called no probe"), std::string::npos);
  auto bert = model::make_model(tiny_config(), 3);
  auto batch = make_batch(kSequences);
  batch.mask.fill_(false);
  EXPECT_NE(error_of([&] { monitor(bert, {batch}, 8); }).find("layer 0 was seen in 0 sequences"), std::string::npos);
  {
    const torch::NoGradGuard no_grad;
    bert->layers[1]->qkv_weight.fill_(NAN);
  }
  EXPECT_EQ(error_of([&] { monitor(bert, {make_batch(kSequences)}, 8); }), "attention of layer 1 is not finite");
  EXPECT_EQ(error_of([] { MonitorOptions{.monitor_probes = 1}.check(); }),
            "usage: --monitor-probes: 1 was given; a number from 2 to 16384 was expected");
  EXPECT_EQ(error_of([] { MonitorOptions{.monitor_probes = MonitorOptions::kMaxProbes}.check(); }), "no error");
  EXPECT_EQ(error_of([] { MonitorOptions{.monitor_probes = 1'000'000}.check(); }),
            "usage: --monitor-probes: 1000000 was given; a number from 2 to 16384 was expected");
}

}  // namespace
}  // namespace saobp::analysis
