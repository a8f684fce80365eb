// Tables as CSV, Markdown and text, and the paper's beside those of runs.
#include "saobp/report/table.h"

#include <gtest/gtest.h>

#include "saobp/report/paper_section.h"
#include "tests/report/search.h"

namespace saobp::report {
namespace {

using io::Json;

Table example() {
  return {.id = "t",
          .title = "Title",
          .columns = {{"a|b", false}, {"n"}},
          .rows = {{{"Part \"one\""}}, {{"x, y", "1.5"}}, {{"line", ""}}},
          .note = "Note."};
}

TEST(Tables, AsCsv) {
  EXPECT_EQ(table_csv(example()), "part,a|b,n\r\n\"Part \"\"one\"\"\",\"x, y\",1.5\r\n\"Part \"\"one\"\"\",line,\r\n");
}

TEST(Tables, AsMarkdown) {
  EXPECT_EQ(table_markdown(example()),
            "**Title**\n\n| part | a\\|b | n |\n|---|---|---:|\n| Part \"one\" | x, y | 1.5 |\n"
            "| Part \"one\" | line |  |\n\nNote.\n");
}

TEST(Tables, AsTextInBlocksOfWhatFits) {
  EXPECT_EQ(table_text(example()), "Title\na|b     n\nPart \"one\"\nx, y  1.5\nline\nNote.\n");
  Table wide{.columns = {{"λ", false}}};
  Row row{{"x"}};
  for (int i = 0; i < 5; ++i)
    wide.columns.push_back({std::string(40, static_cast<char>('a' + i))}), row.cells.push_back("1");
  wide.rows = {row};
  const auto text = table_text(wide);
  EXPECT_EQ(count(text, "λ"), 3u) << text;
  for (size_t at = 0, end; at < text.size(); at = end + 1) {
    end = text.find('\n', at);
    EXPECT_LE(end - at, 121u);  // one letter has two bytes
  }
}

TEST(Tables, AsHtmlWhereNothingRecordedIsSaid) {
  const auto html = table_html(example());
  EXPECT_TRUE(contains(html, "<th scope='row'>line</th><td class='number'><span class='absent'>not recorded"));
  EXPECT_TRUE(contains(html, "colspan='2'>Part &quot;one&quot;</th>"));
}

RunInput run(const std::string& name, int64_t seed, double rte) {
  RunInput out;
  out.name = name;
  out.record = {{"command", "finetune"}, {"seed", seed}, {"options", {{"seed", seed}}}};
  out.record["model"] = {{"layers", 4}, {"hidden_size", 256}};
  Json scores = {{"split", "dev"}};
  scores["scores"]["accuracy"] = {{"value", rte}, {"standard_error", 0.03}};
  scores["baselines"]["majority"]["accuracy"] = 0.527;
  out.tasks = {{"rte", "dev", scores}};
  return out;
}

const Row* row_of(const Table& table, const std::string& name) {
  for (const auto& row : table.rows)
    if (row.cells[0] == name) return &row;
  return nullptr;
}

TEST(PaperTables, HoldTheRunsAndThePapersRowsOfTheirSize) {
  const std::vector<RunInput> runs = {run("a-1", 1, 0.50), run("a-2", 2, 0.54)};
  const auto tables = paper_comparisons(runs, seed_groups(runs));
  ASSERT_EQ(tables.size(), 1u) << "RTE is in Table 8 alone";
  EXPECT_EQ(tables[0].id, "table-8");
  const auto* own = row_of(tables[0], "a (2 seeds)");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->cells[3], "52.00 ± 2.83");
  EXPECT_EQ(own->cells[1], "–");
  EXPECT_EQ(row_of(tables[0], "best trivial baseline")->cells[3], "52.70");
  EXPECT_EQ(row_of(tables[0], "paper: Mini High")->cells[3], "53.07");
  EXPECT_FALSE(row_of(tables[0], "paper: Small High"));
  const std::vector<RunInput> one = {run("a-1", 1, 0.50)};
  EXPECT_EQ(paper_comparisons(one, seed_groups(one))[0].rows[0].cells[3], "50.00 ± 3.00");
  EXPECT_TRUE(paper_comparisons({RunInput{}}, {{"r", {0}, 0}}).empty());
}

}  // namespace
}  // namespace saobp::report
