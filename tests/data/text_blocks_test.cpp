#include "saobp/data/text_blocks.h"

#include <gtest/gtest.h>

#include <map>

#include "fake_tokenizer.h"
#include "saobp/data/json_lines.h"
#include "saobp/data/text_file.h"
#include "tests/compress.h"

namespace saobp::data {
namespace {

using Documents = std::vector<std::string>;

class Blocks : public testing::Test {
 protected:
  // The documents of a file that is read in blocks of at least `block_bytes`.
  Documents read(const std::string& path, DocumentEnd end, size_t block_bytes) {
    Documents documents;
    std::string buffer;
    TextBlocks blocks(io::InputFile(path), end, block_bytes);
    count_ = 0;
    for (TextBlock block; blocks.next(block); ++count_)
      split_documents(block.text, end,
                      [&](std::string_view raw) { documents.emplace_back(with_line_feeds(raw, buffer)); });
    return documents;
  }
  TempFolder folder_;
  int count_ = 0;
};

TEST_F(Blocks, DocumentsDoNotDependOnTheBlocks) {
  // Line ends of every kind, blank lines that are not empty, characters of several bytes, documents of all sizes.
  const std::string text =
      "one\ntwo\n\n\n \xC2\xA0\nthree \xE2\x82\xAC\r\nfour\r\n\t\r\nfive\r\r\n\r\nsix\rseven\r\reight\n\n"
      "nine and some more words in one line\nten\n\xE3\x80\x80\n\n\neleven";
  const std::map<DocumentEnd, Documents> expected{{DocumentEnd::blank,
                                                   {"one\ntwo", "three \xE2\x82\xAC\nfour", "five", "six\nseven",
                                                    "eight", "nine and some more words in one line\nten", "eleven"}},
                                                  {DocumentEnd::line,
                                                   {"one", "two", "three \xE2\x82\xAC", "four", "five", "six", "seven",
                                                    "eight", "nine and some more words in one line", "ten", "eleven"}}};
  for (const auto& [end, documents] : expected)
    for (const auto& bytes : {text, tests::gzip(text), tests::zstd(text)})
      for (size_t block = 1; block < text.size() + 2; ++block)
        EXPECT_EQ(read(folder_.write("a", bytes), end, block), documents) << block;
  EXPECT_EQ(read(folder_.write("a", text), DocumentEnd::blank, 1), expected.at(DocumentEnd::blank));
  EXPECT_GE(count_, 5);
  EXPECT_EQ(read(folder_.write("a", text), DocumentEnd::file, 1).size(), 1u);
  EXPECT_EQ(count_, 1);
  EXPECT_EQ(read(folder_.write("a", ""), DocumentEnd::blank, 1), Documents{});
}

TEST_F(Blocks, ByteOrderMarkIsDroppedAtTheFrontOnly) {
  const std::string mark = "\xEF\xBB\xBF";
  const auto path = folder_.write("a", mark + "one\n\n" + mark + "two");
  for (size_t block : {1, 3, 8, 9, 100})
    EXPECT_EQ(read(path, DocumentEnd::blank, block), (Documents{"one", mark + "two"})) << block;
  EXPECT_EQ(read(folder_.write("a", mark), DocumentEnd::blank, 4), Documents{});
  EXPECT_EQ(read(folder_.write("a", mark + "\none"), DocumentEnd::file, 4), Documents{"one"});
}

TEST_F(Blocks, ErrorsCountFromTheFrontOfTheFile) {
  const std::string text = "\xEF\xBB\xBFone\n\ntwo\n\nthree \xFF";
  const auto plain = folder_.write("a.txt", text), zipped = folder_.write("a.txt.gz", tests::gzip(text));
  for (size_t block : {1, 5, 100}) {
    EXPECT_EQ(error_of([&] { read(plain, DocumentEnd::blank, block); }),
              plain + ": line 5, byte offset 19: invalid UTF-8 (byte 0xFF); UTF-8 text was expected");
    EXPECT_EQ(error_of([&] { read(zipped, DocumentEnd::blank, block); }),
              zipped + " (decompressed): line 5, byte offset 19: invalid UTF-8 (byte 0xFF); UTF-8 text was expected");
  }
  const auto binary = folder_.write("b", std::string_view("ab\ncd\n\0e", 8));
  EXPECT_EQ(error_of([&] { read(binary, DocumentEnd::line, 2); }),
            binary + ": line 3, byte offset 6: a NUL byte; this is a binary file, UTF-8 text was expected");
}

TEST_F(Blocks, OtherEncodingsOfUnicodeAreNamed) {
  for (const std::string_view text : {"\xFF\xFEo\0n\0", "\xFE\xFF\0o\0n"}) {
    const auto path = folder_.write("a.txt", text);
    EXPECT_TRUE(error_of([&] {
                  read(path, DocumentEnd::blank, 4);
                }).starts_with(path + ": begins as UTF-16 or UTF-32 does; UTF-8 text was expected"));
  }
}

// The text of the last line of a file.
std::string last_text(const std::string& path, const std::string& field = "text") {
  std::string text;
  TextBlocks blocks(io::InputFile(path), DocumentEnd::jsonl, 8);
  for (TextBlock block; blocks.next(block);)
    split_documents(block.text, DocumentEnd::jsonl,
                    [&](std::string_view line) { text = text_of_json_line(line, block, field); });
  return text;
}

TEST_F(Blocks, JsonLinesGiveTheStringOfOneField) {
  EXPECT_EQ(last_text(folder_.write("a", R"({"id": 1, "text": "a\n\u00e9\ud83d\ude00 \"b\"", "meta": {"text": 3}})")),
            "a\n\xC3\xA9\xF0\x9F\x98\x80 \"b\"");
  EXPECT_EQ(last_text(folder_.write("a", "{\"text\": \"\"}\r\n\r\n{\"body\": \"x\", \"text\": \"y\"}\r\n")), "y");
  EXPECT_EQ(last_text(folder_.write("a", "{\"body\": \"x\", \"text\": \"y\"}"), "body"), "x");
}

TEST_F(Blocks, BadJsonLinesAreNamedByTheirLine) {
  auto error = [&](const std::string& line) {
    const auto path = folder_.write("a.jsonl", "{\"text\": \"fine\"}\n\n{\"text\": \"fine too\"}\n" + line + "\n");
    const auto error = error_of([&] { last_text(path); });
    const auto place = path + ": line 4: ";
    EXPECT_TRUE(error.starts_with(place)) << error;
    return error.substr(place.size());
  };
  EXPECT_EQ(error("[1]"), "is a list; a JSON object was expected");
  EXPECT_EQ(error("{\"id\": 1, \"body\": \"x\"}"),
            "there is no field \"text\" but \"id\", \"body\"; --text-field names the one that holds the text");
  EXPECT_EQ(error("{}"),
            "there is no field \"text\" but no other either; --text-field names the one that holds the text");
  EXPECT_EQ(error("{\"text\": null}"), "the field \"text\" is null; a string was expected");
  EXPECT_EQ(error("{\"text\": \"cut sho"), "column 18: not valid JSON: the string has no end");
  EXPECT_EQ(error("{\"text\": \"a\"} x"), "column 15: not valid JSON: text behind the value");
  EXPECT_EQ(error("{\"text\": \"a\\ud83d\"}"),
            "column 12: not valid JSON: half of a surrogate pair, which is no character");
  EXPECT_EQ(error("{\"text\": \"a\", \"text\": \"b\"}"), "column 22: not valid JSON: the field stands there twice");
}

}  // namespace
}  // namespace saobp::data
