// Real files of the tasks: how many examples there are, and what some of them say. Skipped where they are not.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "saobp/tasks/examples.h"

namespace saobp::tasks {
namespace {

const std::filesystem::path kData = "../shared/data";

struct Counted {
  const char *task, *split;
  size_t examples;
};

void PrintTo(const Counted& c, std::ostream* out) { *out << c.task << " " << c.split; }

class RealExamples : public ::testing::TestWithParam<Counted> {};

TEST_P(RealExamples, AreAllRead) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "real data are not here";
  const auto [name, split, count] = GetParam();
  const auto task = find_task(name);
  const auto examples = read_examples(task, split, kData);
  EXPECT_EQ(examples.list.size(), count);
  std::set<std::string> ids;
  for (const auto& example : examples.list) {
    ids.insert(example.id);
    EXPECT_FALSE(example.first.empty()) << example.where;
    if (!examples.labelled || task.kind == Kind::span) continue;
    const bool number = task.kind == Kind::regression || task.kind == Kind::similarity;
    EXPECT_TRUE(number ? !std::isnan(example.value) : example.label >= 0) << example.where;
  }
  EXPECT_EQ(ids.size(), count) << "an id each";
}

INSTANTIATE_TEST_SUITE_P(
    Tasks, RealExamples,
    ::testing::Values(Counted{"cola", "train", 8551}, Counted{"cola", "dev", 1043}, Counted{"cola", "test", 1063},
                      Counted{"sst2", "train", 67349}, Counted{"sst2", "dev", 872}, Counted{"sst2", "test", 1821},
                      Counted{"mrpc", "train", 3668}, Counted{"mrpc", "dev", 408}, Counted{"mrpc", "test", 1725},
                      Counted{"stsb", "train", 5749}, Counted{"stsb", "dev", 1500}, Counted{"stsb", "test", 1379},
                      Counted{"sts", "dev", 1500}, Counted{"rte", "train", 2490}, Counted{"rte", "dev", 277},
                      Counted{"rte", "test", 3000}, Counted{"wnli", "train", 635}, Counted{"wnli", "dev", 71},
                      Counted{"qnli", "dev", 5463}, Counted{"qnli", "test", 5463},
                      Counted{"race-middle", "train", 25421}, Counted{"race-middle", "dev", 1436},
                      Counted{"race-middle", "test", 1436}, Counted{"hellaswag", "dev", 1000},
                      Counted{"boolq", "train", 9427}, Counted{"boolq", "dev", 3270}, Counted{"squad", "train", 87433},
                      Counted{"squad", "dev", 10570}));

TEST(RealExamples, OfRaceTheHarnessTakesTheLastQuestionOfEachPassage) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "real data are not here";
  const auto task = find_task("race-middle", "harness");
  const auto examples = read_examples(task, "test", kData);
  EXPECT_EQ(examples.list.size(), 362);
  for (const auto& example : examples.list) {
    const auto context = task.prompts.at("default").context.fill(example.record);
    const auto& question = example.record.require("question");
    EXPECT_TRUE(context.ends_with(question)) << example.where;
    // One line or two for each question before it.
    const auto before = std::stoul(example.record.require("number"));
    EXPECT_EQ(before == 0, example.record.require("before").empty()) << example.where;
  }
}

TEST(RealExamples, PagesOfWikiText) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "real data are not here";
  const auto pages = read_examples(find_task("wikitext"), "test", kData / "corpus");
  EXPECT_EQ(pages.list.size(), 62);
  for (const auto& page : pages.list) EXPECT_EQ(page.first.rfind(" = ", 0), 0) << page.where;
}

TEST(RealExamples, AnswersStandInTheirContexts) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "real data are not here";
  size_t answers = 0;
  for (const auto& example : read_examples(find_task("squad"), "dev", kData).list) {
    EXPECT_TRUE(example.aligned) << example.where;
    answers += example.answers.size();
  }
  EXPECT_EQ(answers, 34726u);
}

TEST(RealExamples, NoQuestionOfHellaSwagIsInBothFiles) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "real data are not here";
  const auto task = find_task("hellaswag");
  std::set<std::string> trained;
  for (const auto& example : read_examples(task, "train", kData).list)
    trained.insert(example.first + example.options[0]);
  for (const auto& example : read_examples(task, "dev", kData).list)
    EXPECT_FALSE(trained.contains(example.first + example.options[0])) << example.where;
}

}  // namespace
}  // namespace saobp::tasks
