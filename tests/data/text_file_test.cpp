#include "saobp/data/text_file.h"

#include <gtest/gtest.h>

#include "fake_tokenizer.h"

namespace saobp::data {
namespace {

using Documents = std::vector<std::string>;

Documents split(std::string_view text, DocumentEnd end = DocumentEnd::blank) {
  Documents documents;
  std::string buffer;
  split_documents(text, end, [&](std::string_view raw) { documents.emplace_back(with_line_feeds(raw, buffer)); });
  return documents;
}

TEST(TextFile, ADocumentEndsAtALineOfWhiteSpace) {
  EXPECT_EQ(split("one\ntwo\n\nthree\n"), (Documents{"one\ntwo", "three"}));
  EXPECT_EQ(split("\n\n  one \n \t \n\n\ntwo"), (Documents{"  one ", "two"}));
  // As WikiText has it: every line starts with a space and the blank ones are " ".
  EXPECT_EQ(split(" \n = Title = \n \n A line . \n Another . \n \n"),
            (Documents{" = Title = ", " A line . \n Another . "}));
  EXPECT_EQ(split(""), Documents{});
  EXPECT_EQ(split(" \n\n\t\n"), Documents{});
}

TEST(TextFile, WhiteSpaceIsUnicodes) {
  const char32_t spaces[] = {0x09,   0x0B,   0x0C,   0x20,   0x85,   0xA0,   0x1680, 0x2000,
                             0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
                             0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
  auto utf8 = [](char32_t c) {
    std::string s;
    if (c >= 0x800) s.push_back(static_cast<char>(0xE0 | c >> 12));
    if (c >= 0x80) s.push_back(static_cast<char>(c >= 0x800 ? 0x80 | (c >> 6 & 63) : 0xC0 | c >> 6));
    s.push_back(static_cast<char>(c >= 0x80 ? 0x80 | (c & 63) : c));
    return s;
  };
  std::string all;
  for (char32_t c : spaces) {
    all += utf8(c);
    EXPECT_EQ(split("a\n" + utf8(c) + "\nb").size(), 2u) << std::hex << static_cast<uint32_t>(c);
  }
  EXPECT_TRUE(is_white_space(all));
  // Not White_Space though invisible: U+180E, U+200B, U+2060, U+FEFF; and what shares bytes with spaces.
  for (char32_t c : {U'\u180E', U'\u200B', U'\u2060', U'\uFEFF', U'\u2010', U'\u3001', U'\u00A1', U'\u0084', U'\u1681'})
    EXPECT_EQ(split("a\n" + utf8(c) + "\nb").size(), 1u) << std::hex << static_cast<uint32_t>(c);
}

TEST(TextFile, WholeFilesKeepTheirBlankLines) {
  EXPECT_EQ(split("\n\none\n\ntwo\n \n\n", DocumentEnd::file), (Documents{"one\n\ntwo"}));
  EXPECT_EQ(split(" \n", DocumentEnd::file), Documents{});
}

TEST(TextFile, EachLineOfItsOwn) {
  for (auto end : {DocumentEnd::line, DocumentEnd::jsonl})
    EXPECT_EQ(split("one\n two \r\n\n \nthree\rfour", end), (Documents{"one", " two ", "three", "four"}));
}

TEST(TextFile, LineEndsBecomeLineFeeds) {
  EXPECT_EQ(split("one\r\ntwo\r\n\r\nthree\r\n"), (Documents{"one\ntwo", "three"}));
  EXPECT_EQ(split("one\rtwo\r\rthree\r"), (Documents{"one\ntwo", "three"}));
  // A text that was converted twice has CR CR LF: still one line end.
  EXPECT_EQ(split("one\r\r\ntwo\r\r\n\r\r\nthree"), (Documents{"one\ntwo", "three"}));
  EXPECT_EQ(split("one\r\n\r\n \r\ntwo\rthree\r\r\rfour\n", DocumentEnd::file),
            (Documents{"one\n\n \ntwo\nthree\n\n\nfour"}));
}

TEST(TextFile, ManyCarriageReturnsTakeLinearTime) {
  // A million lone CRs: quadratic rescanning would not end within the time limit of the tests.
  std::string text = "a" + std::string(1 << 20, '\r') + "b";
  EXPECT_EQ(split(text), (Documents{"a", "b"}));
  EXPECT_EQ(split(text, DocumentEnd::file)[0].size(), text.size());
}

TEST(TextFile, RefusesWhatIsNoText) {
  EXPECT_EQ(error_of([] { require_text(std::string_view("ab\nc\0d", 6), "x.bin"); }),
            "x.bin: line 2, byte offset 4: a NUL byte; this is a binary file, UTF-8 text was expected");
  EXPECT_EQ(error_of([] { require_text("ab\nc\xFF", "x.txt"); }),
            "x.txt: line 2, byte offset 4: invalid UTF-8 (byte 0xFF); UTF-8 text was expected");
}

}  // namespace
}  // namespace saobp::data
