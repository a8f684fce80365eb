// What a page of several runs says about them together.
#include <gtest/gtest.h>

#include <set>

#include "saobp/report/chart.h"
#include "saobp/report/differences.h"
#include "saobp/report/figures.h"
#include "saobp/report/report.h"
#include "saobp/report/tables.h"
#include "tests/report/search.h"
#include "tests/tools.h"

namespace saobp::report {
namespace {

using io::Json;

class SideBySide : public ::testing::Test {
 protected:
  static Json record() {
    Json json = {{"command", "pretrain"}, {"seed", 42}};
    json["options"]["model"] = {{"tokenizer", "t/"}, {"attention", "high"}};
    json["options"]["corpus"] = {{"corpus", {"/a.txt"}}, {"holdout", 0.0}};
    json["options"]["train"] = {{"validation", {"/v.txt"}}, {"length", 64}};
    json["model"] = {{"attention", "high"}, {"strength", 0.2}};
    json["keys"] = {{"tokenizer", "77"}, {"corpus", {"aa.ids"}}, {"validation", {"bb.ids"}}};
    return json;
  }

  static Json analysis(double entropy) {
    Json json = {{"model", "m"}, {"text", "dev.txt"}, {"sequences", 1}, {"tokens", 12}};
    json["settings"] = {{"gtd_discount", 0.9}, {"gtd_hops", 4}};
    for (const char* which : {"A", "B"})
      json["matrices"][which] = {{"attention_entropy", {{entropy, 2.5}}}, {"gtd", {{0.7, 0.72}}}};
    return json;
  }

  RunInput run(const std::string& name, const Json& json, const std::string& metrics = "") {
    root_.write(name + "/run.json", json.dump());
    root_.write(name + "/metrics.jsonl", metrics);
    return read_run(root_ / name);
  }

  tests::TempFolder root_;
};

TEST_F(SideBySide, SaysWhereTextsAndTokenizersDiffer) {
  const auto of = [&](const std::function<void(Json&)>& change, bool with_keys = true) {
    Json one = record(), other = record();
    change(other);
    if (!with_keys) one.erase("keys");
    return differences({run("one", one), run("other", other)});
  };
  EXPECT_TRUE(of([](Json&) {}).empty());
  // The same text in another place, which the keys tell; without keys the paths are all there is to go by.
  const auto moved = [](Json& json) { json["options"]["corpus"]["corpus"] = {"/elsewhere/a.txt"}; };
  EXPECT_TRUE(of(moved).empty());
  ASSERT_EQ(of(moved, /*with_keys=*/false).size(), 1u);
  EXPECT_TRUE(contains(of(moved, false)[0], "different texts"));
  // Another text under the same name.
  EXPECT_TRUE(
      contains(of([](Json& json) { json["keys"]["corpus"] = {"cc.ids"}; }).at(0), "trained on different texts"));
  EXPECT_TRUE(contains(of([](Json& json) { json["keys"]["tokenizer"] = "78"; }).at(0), "different tokenizers"));
  for (const auto& change : {std::function([](Json& json) { json["keys"]["validation"] = {"cc.ids"}; }),
                             std::function([](Json& json) { json["options"]["train"]["length"] = 32; }),
                             std::function([](Json& json) { json["options"]["corpus"]["holdout"] = 0.1; }),
                             std::function([](Json& json) { json["options"]["masking"]["mask_probability"] = 0.3; })})
    EXPECT_TRUE(contains(of(change).at(0), "validated on different rows"));

  Json other = record();
  other["keys"]["tokenizer"] = "78";
  const std::string page = make_report({run("one", record()), run("other", other)}, "t").html;
  const size_t warning = page.find("different tokenizers");
  ASSERT_NE(warning, std::string::npos);
  EXPECT_LT(warning, page.find("Final figures"));
  EXPECT_FALSE(contains(make_report({run("one", record())}, "t").html, "<strong>Mind"));
}

TEST_F(SideBySide, OneMeasurementUnderTwoNamesIsOneSection) {
  root_.write("one/analysis/demo.json", analysis(2.0).dump());
  root_.write("other/analysis/demo.json", analysis(2.1).dump());
  root_.write("other/analysis/dev.json", analysis(2.1).dump());  // of one run only
  const auto page = [&] { return make_report({run("one", record()), run("other", record())}, "t").html; };
  EXPECT_EQ(count(page(), "<h2>Attention, layer by layer"), 1u);
  EXPECT_TRUE(contains(page(), "layer by layer: demo and dev</h2>"));
  // The larger group may come later in the alphabet.
  root_.write("one/analysis/zoo.json", analysis(2.0).dump());
  root_.write("other/analysis/zoo.json", analysis(2.1).dump());
  root_.write("one/analysis/demo.json", analysis(2.0).dump());
  EXPECT_EQ(count(page(), "<h2>Attention, layer by layer"), 1u);
  // Another figure is another measurement.
  root_.write("other/analysis/dev.json", analysis(2.2).dump());
  EXPECT_EQ(count(page(), "<h2>Attention, layer by layer"), 2u);
}

TEST_F(SideBySide, OtherTextsUnderOneNameAreSetApart) {
  const auto of = [](const char* key, int64_t hops) {
    auto json = analysis(2.0);
    if (key) json["text_key"] = key;
    json["settings"]["gtd_hops"] = hops;
    return json;
  };
  const auto groups = [&](const Json& one, const Json& other) {
    root_.write("one/analysis/dev.json", one.dump());
    root_.write("other/analysis/dev.json", other.dump());
    const std::vector runs = {run("one", record()), run("other", record())};
    auto found = analysis_groups(runs);
    for (auto& group : found) group.of_run.clear();  // which point into the runs
    return found;
  };
  EXPECT_EQ(groups(of("a", 4), of("a", 4)).size(), 1u);
  EXPECT_EQ(groups(of("a", 4), of(nullptr, 4)).size(), 1u);  // an older record does not say
  const auto found = groups(of("a", 4), of("b", 4));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].name, "dev (2)");
  EXPECT_TRUE(contains(found[1].apart.at(0), "another text"));
}

// Checkpoints of one name that were analysed otherwise are no series.
TEST_F(SideBySide, CheckpointsAnalysedOtherwiseAreNoSeries) {
  std::string metrics;
  for (int step = 1; step <= 6; ++step) {
    auto json = analysis(2.0);
    json["matrices"]["B"]["gtd"] = {{0.5 + 0.05 * step, 0.6}};
    json["settings"]["gtd_hops"] = step <= 3 ? 4 : 8;
    root_.write(concat("one/analysis/dev.step-", step, ".json"), json.dump());
    metrics += concat("{\"step\": ", step, ", \"accuracy\": ", 0.9 - 0.1 * step, "}\n");
  }
  const auto charts = make_report({run("one", record(), metrics)}, "t").charts;
  std::vector<std::string> titles;
  for (const auto& chart : charts)
    if (contains(chart.title, "GTD against")) {
      titles.push_back(chart.title);
      EXPECT_EQ(chart.series.size(), 1u);
      EXPECT_EQ(chart.series.front().points.size(), 3u);
      EXPECT_EQ(contains(chart.caption, "gtd_hops: 8, not 4"), contains(chart.title, "(2)"));
    }
  EXPECT_EQ(titles, (std::vector<std::string>{"GTD against accuracy: dev", "GTD against accuracy: dev (2)"}));
}

TEST_F(SideBySide, CardsShowLearnedStrengths) {
  const auto card = [&](const Json& strengths) {
    Json config = {{"refined_attention", {{"attention", "high"}, {"strength", 0.2}}}};
    if (!strengths.is_null()) config["refined_attention"]["strengths"] = strengths;
    root_.write("one/config.json", config.dump());
    return run_cards({run("one", record())}, {});
  };
  EXPECT_TRUE(contains(card(nullptr), "λ = 0.2<"));
  EXPECT_TRUE(contains(card({0.125, 0.3}), "λ = 0.125, 0.3 (layers 0 to 1)"));
  EXPECT_TRUE(contains(card({{0.1, 0.3}, {0.25, 0.25}}),
                       "λ = 0.2, 0.25 (layers 0 to 1; means over heads, which run from 0.1 to 0.3)"));
}

TEST_F(SideBySide, OneLoggedLossIsAMarkAndNoEmptyChart) {
  const std::string once = make_report({run("one", record(), "{\"step\": 5, \"loss\": 3}\n")}, "t").html;
  EXPECT_EQ(count(once, "<svg role='img'"), 1u);
  EXPECT_FALSE(contains(once, "second half"));
  EXPECT_TRUE(contains(once, "<g class='series marked run-0'>"));
  const std::string lines = "{\"step\": 5, \"loss\": 3}\n{\"step\": 8, \"loss\": 2}\n{\"step\": 9, \"loss\": 2}\n";
  EXPECT_TRUE(contains(make_report({run("one", record(), lines)}, "t").html, "second half"));
}

TEST(Marks, OfTwentyFourRunsAllDiffer) {
  std::set<std::string> marks, lines;
  for (int i = 0; i < 24; ++i) {
    marks.insert(legend_mark(i, Series::Look::marked));
    lines.insert(legend_mark(i, Series::Look::line));
  }
  EXPECT_EQ(marks.size(), 24u);
  EXPECT_EQ(lines.size(), 24u);  // lines have no shape: colour and rhythm
  EXPECT_TRUE(contains(legend_mark(6, Series::Look::line), "run-0 rhythm-1"));
  EXPECT_FALSE(contains(legend_mark(5, Series::Look::line), "rhythm"));
}

}  // namespace
}  // namespace saobp::report
