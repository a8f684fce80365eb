// What the page says of tasks.
#include <gtest/gtest.h>

#include "saobp/io/error.h"
#include "saobp/report/report.h"
#include "tests/report/search.h"
#include "tests/tools.h"

namespace saobp::report {
namespace {

using io::Json;

class Tasks : public ::testing::Test {
 protected:
  static Json score(double value, double error) { return {{"value", value}, {"standard_error", error}}; }

  void write_run(const std::string& name, double accuracy) {
    const Json record = {{"command", "finetune"}, {"seed", 1}};
    root_.write(name + "/run.json", record.dump());
    root_.write(name + "/metrics.jsonl",
                "{\"step\": 1, \"loss\": 0.5}\n{\"step\": 2, \"accuracy\": 0.25}\n"
                "{\"step\": 3, \"loss\": 0.4}\n{\"step\": 4, \"accuracy\": 0.75}\n");
    Json task = {{"task", "rte"}, {"split", "dev"}, {"examples", 100}};
    task["scores"]["accuracy"] = score(accuracy, 0.02);
    task["baselines"]["majority"]["accuracy"] = 0.5;
    task["confusion"] = {{"yes", {{"yes", 41}, {"no", 9}}}, {"no", {{"yes", 12}, {"no", 38}}}};
    for (const char* tokens : {"1-32", "33-64", "129-256"})
      task["groups"]["length"][tokens] = {{"examples", 33}, {"scores", {{"accuracy", score(0.6, 0.05)}}}};
    for (const char* source : {"news", "<b>"})
      task["groups"]["source"][source] = {{"examples", 50}, {"scores", {{"accuracy", score(0.7, 0.05)}}}};
    root_.write(name + "/eval/rte-dev.json", task.dump());
    root_.write(name + "/eval/rte-test.json", R"({"task": "rte", "split": "test", "examples": 5})");
    root_.write(name + "/eval/squad-dev.official.json", R"({"q": "text"})");
  }

  std::string page(const std::vector<std::string>& names) {
    std::vector<RunInput> runs;
    runs.reserve(names.size());
    for (const auto& name : names) runs.push_back(read_run(root_ / name));
    return make_report(runs, "page").html;
  }

  tests::TempFolder root_;
};

TEST_F(Tasks, ScoresStandBesideTheirBaselines) {
  write_run("a", 0.81), write_run("b", 0.53);
  const auto text = page({"a", "b"});
  EXPECT_TRUE(contains(text, "<h2>Tasks</h2>"));
  EXPECT_TRUE(contains(text,
                       "<td>50.00 (majority)</td><td class='number'>81.00 ± 2.00</td>"
                       "<td class='number'>53.00 ± 2.00 ≈</td>"));
  EXPECT_EQ(count(text, "While fine-tuning: accuracy</"), 2u) << "heading and title";
  EXPECT_TRUE(contains(text, "a: from 25.000 at step 2 to 75.000 at step 4. b: from 25.000 at step 2"));
  EXPECT_TRUE(contains(text, "rte, dev: accuracy by tokens"));
  EXPECT_LT(text.find("<th scope='row'>33-64"), text.find("<th scope='row'>129-256"));
  EXPECT_TRUE(contains(text, "<th scope='row'>&lt;b&gt;")) << "a source, in a table";
  EXPECT_FALSE(contains(text, "accuracy by source")) << "which has no axis";
  EXPECT_TRUE(contains(text, "<th scope='row'>yes</th><td class='number'>41</td><td class='number'>9</td>"));
  EXPECT_FALSE(contains(text, "rte, test")) << "there are no labels";
  EXPECT_TRUE(contains(text, "loss per example"));
}

TEST_F(Tasks, ScoresOfOtherExamplesStandApart) {
  const auto race = [&](const std::string& run, const std::string& split, int64_t examples, const std::string& preset) {
    Json task = {{"task", "race-middle"}, {"split", split}, {"examples", examples}, {"settings", {{"preset", preset}}}};
    task["scores"]["accuracy"] = score(0.625, 0.01);
    root_.write(run + "/eval/race-middle-" + split + ".json", task.dump());
  };
  write_run("a", 0.81), write_run("b", 0.53), write_run("c", 0.5);
  race("a", "dev", 40, ""), race("b", "dev", 60, ""), race("c", "train", 60, "append");
  const auto text = page({"a", "b", "c"});
  for (const char* row :
       {"race-middle, dev, 40 examples", "race-middle, dev, 60 examples", "race-middle, train, append<"})
    EXPECT_TRUE(contains(text, row)) << row;
  EXPECT_TRUE(contains(text, "rte, dev<")) << "of as many in all";
  // Beside the paper stand dev sets alone.
  const auto table = text.substr(text.find("Table 2"));
  EXPECT_TRUE(contains(table, "<th scope='row'>b</th>"));
  EXPECT_FALSE(contains(table.substr(0, table.find("</table>")), "<th scope='row'>c</th>"));
}

TEST_F(Tasks, ASuiteTellsItsSeeds) {
  Json accuracy = score(0.62, 0.03);
  accuracy["standard_deviation"] = 0.011, accuracy["values"] = {0.61, 0.63};
  const Json suite = {{"tasks", {{"rte", {{"split", "dev"}, {"scores", {{"accuracy", accuracy}}}}}}}};
  root_.write("all/suite.json", suite.dump());
  root_.write("all/rte/seed-1/run.json", R"({"command": "finetune", "final": {"loss": 1}, "options": {"rate": 7}})");
  const auto text = page({"all"});
  EXPECT_TRUE(contains(text, "62.00 ± 3.00, sd 1.10 of 2 seeds"));
  EXPECT_TRUE(contains(text, "the settings are those of rte/seed-1"));
}

TEST_F(Tasks, WhatIsDamagedIsNamed) {
  write_run("a", 0.8);
  root_.write("a/eval/rte-dev.json", R"({"task": "rte", "split": "dev", "scores": {"accuracy": 3}})");
  try {
    page({"a"});
    FAIL() << "was read";
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "rte-dev.json: the score accuracy is")) << error.what();
  }
}

}  // namespace
}  // namespace saobp::report
