#include "saobp/data/records.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "saobp/io/file.h"
#include "tests/tools.h"

namespace saobp::data {
namespace {

using tests::error_of;
using tests::TempFolder;

struct Files {
  TempFolder folder;
  std::filesystem::path operator()(const char* name, std::string_view text) const {
    io::write_file(folder / name, text);
    return folder / name;
  }
};

TEST(Tsv, QuotesMarksAndLineEndsAreAsGlueHasThem) {
  Files file;
  const auto found = read_tsv(file("train.tsv",
                                   "\xEF\xBB\xBF"
                                   "Quality\t#1 String\r\n1\t\" an open quote\r\n0\ta \"\"\n1\tlast"),
                              {}, {"Quality"});
  ASSERT_EQ(found.rows.size(), 3u);
  EXPECT_EQ(found.rows[0].require("#1 String"), "\" an open quote");
  EXPECT_EQ(found.rows[1].require("#1 String"), "a \"\"");
  EXPECT_EQ(found.rows[2].require("Quality"), "1");
  EXPECT_TRUE(found.notes.empty());
  EXPECT_NE(found.rows[1].where.find("train.tsv, line 3"), std::string::npos);
}

TEST(Tsv, ColumnsOfAFileWithoutAHeader) {
  Files file;
  const auto found = read_tsv(file("dev.tsv", "gj04\t1\t\tA sentence.\ngj04\t0\t*\tAnother.\n"),
                              {"source", "label", "mark", "sentence"}, {"label"});
  ASSERT_EQ(found.rows.size(), 2u);
  EXPECT_EQ(found.rows[1].require("sentence"), "Another.");
}

TEST(Tsv, AFewLinesOfAnotherWidthAreSkippedAndCounted) {
  Files file;
  std::string text = "a\tb\n";
  for (int i = 0; i < 20; ++i) text += "1\t2\n";
  const auto found = read_tsv(file("x.tsv", text + "1\n1\t2\t3\n"), {}, {"a"});
  EXPECT_EQ(found.rows.size(), 20u);
  ASSERT_EQ(found.notes.size(), 1u);
  EXPECT_EQ(found.notes[0].find("2 lines skipped; "), 0u) << found.notes[0];
  EXPECT_NE(found.notes[0].find("x.tsv, line 22: has 1 column; 2 were expected: a and b"), std::string::npos);
  EXPECT_NE(error_of([&] { read_tsv(file("y.tsv", text + "1\n1\n1\n1\n"), {}, {"a"}); }).find("so are 4 of 24 lines"),
            std::string::npos);
}

TEST(Tsv, AnotherSplitOrDamageIsNamed) {
  Files file;
  const auto test = file("test.tsv", "index\tsentence\n0\tA.\n");
  EXPECT_NE(error_of([&] {
              read_tsv(test, {}, {"label"});
            }).find("its header has the columns index and sentence; \"label\" was expected: is it the file of another"),
            std::string::npos);
  EXPECT_NE(error_of([&] { read_tsv(test, {"a", "b", "c", "d"}, {}); }).find("has 2 columns; 4 were expected"),
            std::string::npos);
  EXPECT_NE(error_of([&] { read_tsv(file("e.tsv", "a\tb\n"), {}, {"a"}); }).find("holds no rows"), std::string::npos);
  EXPECT_NE(error_of([&] {
              read_tsv(file("m.tsv",
                            "a\tb\n1\t2\n\xEF\xBB\xBF"
                            "1\t2\n"),
                       {}, {"a"});
            }).find("line 3: begins with a byte order mark"),
            std::string::npos);
  EXPECT_NE(error_of([&] { read_tsv(file("u.tsv", "a\tb\n1\t\xFF\n"), {}, {"a"}); }).find("UTF-8"), std::string::npos);
  const auto inside = read_tsv(file("i.tsv", "a\tb\n1\tx\xEF\xBB\xBFy\n"), {}, {"a"});
  ASSERT_EQ(inside.notes.size(), 1u);
  EXPECT_NE(inside.notes[0].find("1 line with U+FEFF inside of a text"), std::string::npos);
}

TEST(JsonRecords, LinesAndLists) {
  Files file;
  const auto lines = read_json_records(
      file("a.jsonl", "{\"q\": \"x\", \"n\": 3, \"right\": false, \"none\": null, \"o\": [\"a\", \"b\"]}\n\n{}\n"));
  ASSERT_EQ(lines.rows.size(), 2u);
  EXPECT_EQ(lines.rows[0].require("right"), "false");
  EXPECT_EQ(lines.rows[0].require("n"), "3");
  EXPECT_EQ(lines.rows[0].field("none"), nullptr);
  EXPECT_EQ(lines.rows[0].require_list("o").size(), 2u);
  EXPECT_NE(error_of([&] { lines.rows[1].require_list("o"); }).find("a.jsonl, line 3: has no list \"o\""),
            std::string::npos);
  EXPECT_EQ(read_json_records(file("a.json", "[{\"q\": \"x\"}]")).rows[0].require("q"), "x");
  EXPECT_NE(error_of([&] { read_json_records(file("c.jsonl", "{\"q\": 1}\n{\"q\": ")); }).find("c.jsonl, line 2"),
            std::string::npos);
}

TEST(Record, TheFirstOfSeveralNames) {
  const Record record{"x", {{"premise", "p"}}};
  EXPECT_EQ(require_any(record, "sentence1/premise"), "p");
  EXPECT_NE(error_of([&] { require_any(record, "a/b"); }).find("has no \"a/b\"; found premise"), std::string::npos);
}

TEST(Race, AQuestionARow) {
  Files file;
  file(
      "1.txt",
      R"({"answers": ["B", "A"], "options": [["x", "y"], ["z", "w"]], "questions": ["Is _ ?", "And?"], "article": "Text.", "id": "middle1.txt"})");
  const auto found = read_race(file.folder.path());
  ASSERT_EQ(found.rows.size(), 2u);
  EXPECT_EQ(found.rows[1].require("question"), "And?");
  EXPECT_EQ(found.rows[1].require("number"), "1");
  EXPECT_EQ(found.rows[0].require_list("options")[1], "y");
  file("2.txt", R"({"answers": ["B"], "options": [], "questions": ["Q"], "article": "T"})");
  EXPECT_NE(
      error_of([&] { read_race(file.folder.path()); }).find("2.txt: has 1 question, 0 lists of options and 1 answer"),
      std::string::npos);
}

}  // namespace
}  // namespace saobp::data
