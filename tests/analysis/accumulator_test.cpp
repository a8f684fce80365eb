#include "saobp/analysis/accumulator.h"

#include <gtest/gtest.h>

#include "saobp/model/libtorch.h"
#include "tests/tools.h"

namespace saobp::analysis {
namespace {

torch::Tensor random_attention(int64_t heads, int64_t length) {
  return torch::softmax(torch::randn({heads, length, length}, torch::kDouble) * 2, -1);
}

using tests::error_of;

TEST(MetricAccumulator, IsTheMeanOverSequencesWhateverTheirLength) {
  torch::manual_seed(1);
  const MetricOptions options;
  MetricAccumulator accumulator(2, 3, options);
  std::vector<std::vector<MetricValues>> raw(2), refined(2);  // [layer][sequence]
  for (const int64_t length : {5, 9, 30}) {
    for (int64_t layer = 0; layer < 2; ++layer) {
      const auto a = random_attention(3, length), b = random_attention(3, length);
      raw[layer].push_back(attention_metrics(a, options, "A"));
      refined[layer].push_back(attention_metrics(b, options, "B"));
      accumulator.add(layer, a, b);
    }
    accumulator.count_sequence(length);
  }
  const auto json = accumulator.to_json("a model", "a text");
  EXPECT_EQ(json["model"], "a model");
  EXPECT_EQ(json["text"], "a text");
  EXPECT_EQ(json["sequences"], 3);
  EXPECT_EQ(json["tokens"], 44);
  EXPECT_EQ(json["settings"]["gtd_hops"], 4);
  EXPECT_EQ(json["settings"]["gtd_discount"], 0.9);
  EXPECT_EQ(json["settings"]["sparsity_threshold"], 0.01);
  EXPECT_NEAR(json["idempotent_gtd"].get<double>(), 0.8561, 1e-4);
  for (const bool is_refined : {false, true})
    for (size_t metric = 0; metric < metric_names().size(); ++metric) {
      const auto& values = json["matrices"][is_refined ? "B" : "A"][metric_names()[metric]];
      ASSERT_EQ(values.size(), 2u);
      for (int64_t layer = 0; layer < 2; ++layer) {
        ASSERT_EQ(values[layer].size(), 3u);
        for (int64_t head = 0; head < 3; ++head) {
          double sum = 0;
          for (const auto& sequence : (is_refined ? refined : raw)[layer]) sum += sequence[metric].second[head];
          EXPECT_NEAR(values[layer][head].get<double>(), sum / 3, 1e-12) << metric_names()[metric];
        }
      }
    }
}

TEST(MetricAccumulator, UnrefinedLayersHaveEqualMatrices) {
  torch::manual_seed(2);
  MetricAccumulator accumulator(1, 2, {});
  const auto a = random_attention(2, 7);
  accumulator.add(0, a, a);
  accumulator.count_sequence(7);
  const auto json = accumulator.to_json("m", "t");
  EXPECT_EQ(json["matrices"]["A"], json["matrices"]["B"]);
}

TEST(MetricAccumulator, RefusesWhatIsIncomplete) {
  MetricAccumulator accumulator(2, 2, {});
  EXPECT_NE(error_of([&] { accumulator.to_json("m", "t"); }).find("no sequence"), std::string::npos);
  const auto a = random_attention(2, 4);
  accumulator.add(0, a, a);
  accumulator.count_sequence(4);
  EXPECT_NE(error_of([&] { accumulator.to_json("m", "t"); }).find("layer 1 was measured in 0 of 1"), std::string::npos);
  EXPECT_NE(error_of([&] { accumulator.add(2, a, a); }).find("layer 2"), std::string::npos);
  const auto three = random_attention(3, 4);
  EXPECT_NE(error_of([&] { accumulator.add(1, three, three); }).find("3 heads were given; the model has 2"),
            std::string::npos);
  // A refused B leaves nothing of A behind.
  EXPECT_NE(error_of([&] { accumulator.add(1, a, a * 2); }).find("matrix B"), std::string::npos);
  accumulator.add(1, a, a);
  EXPECT_EQ(accumulator.to_json("m", "t")["matrices"]["A"]["gtd"][0],
            accumulator.to_json("m", "t")["matrices"]["A"]["gtd"][1]);
  EXPECT_THROW(MetricAccumulator(0, 2, {}), Error);
  EXPECT_THROW(MetricAccumulator(1, 2, {.gtd_hops = 1}), UsageError);
}

}  // namespace
}  // namespace saobp::analysis
