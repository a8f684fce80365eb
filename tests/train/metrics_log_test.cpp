#include "saobp/train/metrics_log.h"

#include <gtest/gtest.h>

#include "tests/tools.h"

namespace saobp::train {
namespace {

using io::Json;
using tests::TempFolder;

TEST(MetricsLog, KeepsLinesUpToTheStepAndDropsACutOne) {
  TempFolder run;
  const auto path = run / "metrics.jsonl";
  const std::string upto =
      "{\"step\":10,\"loss\":3.5}\n{\"step\":20,\"loss\":3.25}\n{\"step\":20,\"validation_loss\":3}\n";
  for (const std::string cut : {"", "{\"step\":5", "{\"step\":5}"}) {
    io::write_file(path, upto + "{\"step\":30,\"loss\":3}\n" + cut);
    MetricsLog log(path, 20);
    EXPECT_EQ(io::read_file(path), upto) << cut;
    ASSERT_EQ(log.kept().size(), 3u);
    EXPECT_EQ(log.kept()[2], (Json{{"step", 20}, {"validation_loss", 3}}));
    log.write({{"step", 21}, {"loss", 2.5}});
    EXPECT_EQ(io::read_file(path), upto + "{\"step\":21,\"loss\":2.5}\n") << "flushed as it is written";
  }
}

TEST(MetricsLog, BeginsWhereThereIsNone) {
  TempFolder run;
  const auto path = run / "metrics.jsonl";
  {
    MetricsLog log(path, 0);
    EXPECT_TRUE(log.kept().empty());
    EXPECT_EQ(io::read_file(path), "");
    log.write({{"step", 1}});
    log.write({{"step", 2}});
  }
  EXPECT_EQ(MetricsLog(path, 2).kept().size(), 2u);
  EXPECT_EQ(MetricsLog(path, 0).kept().size(), 0u);
}

TEST(MetricsLog, KeepsADamagedOneAsideAndNamesTheLine) {
  TempFolder run;
  const auto path = run / "metrics.jsonl";
  const std::string first = "{\"step\":1,\"loss\":3.5}\n", last = "{\"step\":2}\n";
  int files = 0;
  for (const std::string bad : {"{\"step\":1", "{\"loss\":1}", "3", "", "{\"step\":\"1\"}", "{\"step\":1.5}", "\xff",
                                "{\"step\":1,\"loss\":\"3\"}", "{\"step\":1,\"validation_loss\":null}"}) {
    const auto broken = first + bad + "\n" + last;
    io::write_file(path, broken);
    MetricsLog log(path, 9);
    const auto aside = path.string() + (++files == 1 ? ".damaged" : concat(".damaged-", files));
    EXPECT_EQ(log.damage(), path.string() + ": line 2 is no record of a step; the file is kept as " + aside +
                                ", and the log goes on without this line");
    EXPECT_EQ(io::read_file(aside), broken);
    EXPECT_EQ(io::read_file(path), first + last);
    EXPECT_EQ(log.kept().size(), 2u);
  }
  io::write_file(path, "x\n" + first + std::string(3, '\0') + "\n{\"step\":30}\n");
  EXPECT_EQ(MetricsLog(path, 9).damage(),
            path.string() + ": 2 lines are no records of steps, the first one line 1; the file is kept as " +
                path.string() + ".damaged-10, and the log goes on without these lines");
  EXPECT_EQ(MetricsLog(path, 9).damage(), "") << "what is left is sound";
}

}  // namespace
}  // namespace saobp::train
