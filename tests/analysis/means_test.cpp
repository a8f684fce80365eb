#include <gtest/gtest.h>

#include "saobp/analysis/analyze.h"
#include "saobp/analysis/values.h"
#include "tests/model/tools.h"
#include "tests/tools.h"

namespace saobp::analysis {
namespace {

using tests::error_of;

Measured sequence(double value, double other, bool refined = false) {
  Measured one;
  one.tokens = 10;
  one.refined = refined;
  one.before["gtd"] = {{value, other}};
  if (refined) one.after["gtd"] = {{value + 1, other + 1}};
  one.states["states_cosine"] = {value, value / 2};
  return one;
}

TEST(MeasureMeans, AreMeansOverSequencesWithTheirErrors) {
  MeasureMeans means;
  for (const double value : {1.0, 2.0, 6.0}) means.add(sequence(value, 4, true));
  const auto json = means.to_json();
  EXPECT_EQ(json["sequences"], 3);
  EXPECT_EQ(json["tokens"], 30);
  EXPECT_EQ(json["matrices"]["A"]["gtd"], io::Json({{3.0, 4.0}}));
  EXPECT_EQ(json["matrices"]["B"]["gtd"], io::Json({{4.0, 5.0}}));
  EXPECT_NEAR(json["standard_errors"]["A"]["gtd"][0][0].get<double>(), std::sqrt((4 + 1 + 9) / 6.0), 1e-8);
  EXPECT_EQ(json["standard_errors"]["A"]["gtd"][0][1], 0.0);
  EXPECT_EQ(json["states"]["states_cosine"], io::Json({3.0, 1.5}));
  EXPECT_FALSE(json.contains("undefined"));
}

TEST(MeasureMeans, LeaveOutWhatIsNotDefinedAndCountIt) {
  MeasureMeans means;
  means.add(sequence(1, NAN));
  means.add(sequence(2, NAN));
  means.add(sequence(NAN, NAN));
  const auto json = means.to_json();
  EXPECT_EQ(json["matrices"]["A"]["gtd"], io::Json({{1.5, nullptr}}));
  EXPECT_EQ(json["matrices"]["A"], json["matrices"]["B"]);  // nothing is refined
  EXPECT_EQ(json["undefined"]["A"]["gtd"], 4);
  EXPECT_EQ(json["standard_errors"]["A"]["gtd"][0][1], nullptr);
  EXPECT_EQ(json["undefined"]["states"]["states_cosine"], 2);
}

TEST(MeasureMeans, OfNoSequenceAreRefused) {
  EXPECT_NE(error_of([] { MeasureMeans().to_json(); }).find("no sequence"), std::string::npos);
}

model::Model small_model(attention::Variant variant) {
  auto config = model::testing::tiny_config(variant, 0.5);
  config.max_position_embeddings = 80;
  auto model = model::make_model(config, 5);
  model->eval();
  return model;
}

std::vector<AnalysisItem> some_items() {
  std::vector<AnalysisItem> items;
  for (const int64_t length : {7, 70, 3, 20, 33, 12}) {
    auto& item = items.emplace_back();
    for (int64_t i = 0; i < length; ++i) item.tokens.ids.push_back((7 * i + length) % 50);
    item.tokens.special.assign(static_cast<size_t>(length), false);
    item.tokens.special.front() = item.tokens.special.back() = true;
    item.groups = {{"label", length % 2 == 0 ? "even" : "odd"}};
  }
  return items;
}

TEST(Analyze, DoesNotDependOnThreads) {
  const auto model = small_model(attention::Variant::high);
  AnalysisOptions options;
  options.measures = "all";
  const int before = torch::get_num_threads();
  std::vector<io::Json> records;
  for (const int threads : {1, 2, 3}) {
    torch::set_num_threads(threads);
    records.push_back(analyze(model, some_items(), options, "m", "t"));
  }
  torch::set_num_threads(before);
  EXPECT_EQ(records[0].dump(), records[1].dump());
  EXPECT_EQ(records[0].dump(), records[2].dump());
}

TEST(Analyze, TellsOfPartsToo) {
  const auto model = small_model(attention::Variant::original);
  AnalysisOptions options;
  options.buckets = true;
  options.measures = "attention_entropy,gtd,effective_rank";
  options.spectrum_sequences = 2;
  const auto items = some_items();
  const auto json = analyze(model, items, options, "m", "t");
  EXPECT_EQ(json["measured_sequences"]["effective_rank"], 2);
  EXPECT_EQ(json["by_label"]["even"]["sequences"], 3);
  EXPECT_EQ(json["by_label"]["odd"]["sequences"], 3);
  EXPECT_EQ(json["by_length"]["1-32"]["sequences"], 4);
  EXPECT_EQ(json["by_length"]["33-64"]["sequences"], 1);
  EXPECT_EQ(json["by_position"]["64-127"]["sequences"], 1);
  EXPECT_EQ(json["by_position"]["0"]["sequences"], 6);
  EXPECT_FALSE(json["by_position"]["0"]["matrices"]["A"].contains("gtd"));  // which no single row has
  // All rows again: the first row's entropy is that of the matrix' row.
  const auto captured = capture(model, items[0].tokens);
  double sum = 0;
  for (const auto& item : items) {
    const auto a = matrices_of(capture(model, item.tokens).layers[1]).before;
    sum += entropy_of_rows(a)[1][0].item<double>();
  }
  EXPECT_NEAR(json["by_position"]["0"]["matrices"]["A"]["attention_entropy"][1][1].get<double>(), sum / 6, 1e-6);
}

TEST(Analyze, MessagesAreThoseOfTheOperator) {
  const auto model = small_model(attention::Variant::high);
  AnalysisOptions options;
  options.measures = "message_lowest,message_spread,score_max";
  const auto json = analyze(model, {some_items()[0]}, options, "m", "t");
  const auto layer = capture(model, some_items()[0].tokens).layers[0];
  const auto a = matrices_of(layer).before.to(torch::kDouble);
  const auto c = torch::log(1 - (1 - std::exp(-0.5)) * a).sum(1);
  EXPECT_NEAR(json["matrices"]["A"]["message_lowest"][0][1].get<double>(), c[1].min().item<double>(), 1e-5);
  EXPECT_NEAR(json["matrices"]["A"]["message_spread"][0][1].get<double>(), c[1].std(false).item<double>(), 1e-5);
  EXPECT_EQ(json["matrices"]["B"]["message_lowest"][0], io::Json::array({nullptr, nullptr})) << "defined nowhere";
}

TEST(Analyze, TellsTheShareOfAnEvenLook) {
  AnalysisOptions options;
  options.measures = "qk_trace";
  const std::vector<AnalysisItem> items = {{{{1, 2}, {}, {}}, {}}, {{{1, 2, 3, 4}, {}, {}}, {}}};
  const auto json = analyze(small_model(attention::Variant::original), items, options, "m", "t");
  EXPECT_NEAR(json["even_share"].get<double>(), (1.0 / 2 + 1.0 / 4) / 2, 1e-12);
  EXPECT_EQ(json["matrices"]["A"], io::Json::object());
  EXPECT_EQ(json["heads"], 2) << "told though nothing was measured of heads' matrices";
}

TEST(Sequence, NeedsTokensAndMarksThatFit) {
  EXPECT_NE(error_of([] { Sequence({}, false); }).find("without a token"), std::string::npos);
  const Tokens tokens{{1, 2}, {}, {true}};
  EXPECT_NE(error_of([&] { Sequence(tokens, false); }).find("1 marks"), std::string::npos);
}

}  // namespace
}  // namespace saobp::analysis
