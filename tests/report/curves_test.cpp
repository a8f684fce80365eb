// Runs that differ in their seed alone are one curve.
#include "saobp/report/curves.h"
#include "saobp/report/figures.h"

#include <gtest/gtest.h>

#include <cmath>

#include "saobp/report/report.h"
#include "tests/report/search.h"
#include "tests/tools.h"

namespace saobp::report {
namespace {

using io::Json;
using Look = Series::Look;

RunInput run(const std::string& name, int64_t seed, double rate, const std::vector<double>& losses) {
  RunInput out;
  out.name = name;
  out.record = {{"command", "pretrain"}, {"seed", seed}};
  out.record["options"] = {{"train", {{"seed", seed}, {"rate", rate}}}, {"output", name}};
  for (size_t i = 0; i < losses.size(); ++i) out.train_loss.push_back({static_cast<int64_t>(i) + 1, losses[i]});
  return out;
}

TEST(SeedGroups, AreOfOneSettingAndSeveralSeeds) {
  const std::vector<RunInput> runs = {run("high-seed-1", 1, 0.1, {}), run("plain", 1, 0.2, {}),
                                      run("high-seed-2", 2, 0.1, {}), run("high-again", 2, 0.1, {}),
                                      run("high-seed-12", 3, 0.1, {})};
  const auto groups = seed_groups(runs);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].name, "high");
  EXPECT_EQ(groups[0].runs, (std::vector<size_t>{0, 2, 4}));
  EXPECT_EQ(groups[1].name, "plain");
  EXPECT_EQ(groups[2].name, "high-again") << "the same seed twice is no second seed";
  EXPECT_EQ(groups[2].colour, 2);
  // Groups of one name are told apart; analyses of other settings are no second seed.
  const std::vector<RunInput> two = {run("a-1", 1, 0.1, {}), run("a-2", 2, 0.1, {}),   run("a-3", 1, 0.5, {}),
                                     run("a-4", 2, 0.5, {}), run("x/run", 1, 0.7, {}), run("x/walk", 2, 0.7, {})};
  const auto named = seed_groups(two);
  ASSERT_EQ(named.size(), 3u);
  EXPECT_EQ(named[0].name, "a-1 to a-2");
  EXPECT_EQ(named[1].name, "a-3 to a-4");
  EXPECT_EQ(named[2].name, "x/run to x/walk");
  EXPECT_EQ(seed_groups({run("m/rte/seed-41", 1, 0.1, {}), run("m/rte/seed-42", 2, 0.1, {})})[0].name, "m/rte");
  auto analysed = two;
  for (size_t i = 0; i < 2; ++i) {
    AnalysisRecord record;
    record.name = "dev";
    record.settings = {{"length", i == 0 ? 24 : 12}};
    analysed[i].analyses.push_back(record);
  }
  EXPECT_EQ(seed_groups(analysed).size(), 4u);
  auto third = run("a-5", 3, 0.1, {});  // analysed as the second was: they are one group, the first stands alone
  third.analyses = analysed[1].analyses;
  analysed.push_back(third);
  const auto joined = seed_groups(analysed);
  ASSERT_EQ(joined.size(), 4u);
  EXPECT_EQ(joined[1].runs, (std::vector<size_t>{1, 6}));
  auto bare = runs;
  for (auto& each : bare) each.record = nullptr;
  EXPECT_EQ(seed_groups(bare).size(), 5u);
}

TEST(AnalysisGroups, AreOfOneTextAndOneSetting) {
  std::vector<RunInput> runs = {run("a", 1, 0.1, {}), run("b", 1, 0.2, {}), run("c", 1, 0.3, {})};
  for (size_t i = 0; i < 3; ++i) {
    AnalysisRecord record;
    record.name = "dev", record.text = i == 2 ? "other.txt" : "dev.txt", record.sequences = 4;
    record.tokens = 10 + static_cast<int64_t>(i);
    record.settings = {{"gtd_hops", i == 2 ? 3 : 4}, {"measures", i == 1 ? "gtd" : ""}};
    runs[i].analyses.push_back(record);
  }
  const auto groups = analysis_groups(runs);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].name, "dev");
  EXPECT_TRUE(groups[0].of_run[0] && groups[0].of_run[1] && !groups[0].of_run[2]);
  EXPECT_TRUE(groups[0].apart.empty());
  EXPECT_EQ(groups[1].name, "dev (2)");
  EXPECT_TRUE(!groups[1].of_run[0] && !groups[1].of_run[1] && groups[1].of_run[2]);
  EXPECT_EQ(groups[1].apart, (std::vector<std::string>{"gtd_hops: 3, not 4", "text: other.txt, not dev.txt"}));
  // What an older record does not tell, the same file from another folder, and more to measure keep nothing apart.
  runs[2].analyses[0].text = "data/dev.txt";
  runs[2].analyses[0].settings = {{"buckets", true}};
  EXPECT_EQ(analysis_groups(runs).size(), 1u);
  // The name that is made up is none that is there.
  runs[2].analyses[0].settings = {{"gtd_hops", 3}};
  runs[0].analyses.push_back(runs[0].analyses[0]);
  runs[0].analyses[1].name = "dev (2)", runs[0].analyses[1].tokens = 99;
  const auto named = analysis_groups(runs);
  ASSERT_EQ(named.size(), 3u);
  EXPECT_EQ(named[1].name, "dev (2)");
  EXPECT_EQ(named[1].of_run[0]->tokens, 99);
  EXPECT_EQ(named[2].name, "dev (3)");
}

TEST(SeedGroups, AreDrawnAsAMeanWithItsSpread) {
  const std::vector<RunInput> runs = {run("a-1", 1, 0.1, {4, 2}), run("a-2", 2, 0.1, {6, 3, 1}), run("b", 1, 0.2, {7})};
  Chart chart;
  add_curves(chart, runs, seed_groups(runs), "loss", Look::line, [](const RunInput& of, size_t) {
    std::vector<Point> points;
    points.reserve(of.train_loss.size());
    for (const auto& point : of.train_loss) points.push_back({static_cast<double>(point.step), point.value});
    return points;
  });
  ASSERT_EQ(chart.series.size(), 5u);
  EXPECT_EQ(chart.series[0].look, Look::faint);
  EXPECT_EQ(chart.series[2].look, Look::band);
  EXPECT_EQ(chart.series[3].title, "a, loss, mean of 2 seeds");
  ASSERT_EQ(chart.series[3].points.size(), 2u) << "where all seeds have a value";
  EXPECT_EQ(chart.series[3].points[0].y, 5);
  EXPECT_DOUBLE_EQ(chart.series[2].points[0].error, std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(chart.series[2].points[1].error, std::sqrt(0.5));
  EXPECT_EQ(chart.series[4].title, "b, loss");
  EXPECT_EQ(chart.series[4].look, Look::marked) << "a single value is no line";
  EXPECT_EQ(chart.series[4].run, 1);
}

TEST(SeedGroups, ThePageSaysWhatIsSpread) {
  std::vector<RunInput> runs = {run("a-1", 1, 0.1, {4, 2}), run("a-2", 2, 0.1, {6, 3})};
  const auto page = make_report(runs, "t").html;
  EXPECT_TRUE(contains(page, "with the standard deviation over seeds"));
  EXPECT_TRUE(contains(page, "a, training loss, smoothed, mean of 2 seeds"));
  EXPECT_FALSE(contains(page, "does not say that one is better"));
}

}  // namespace
}  // namespace saobp::report
