#include "saobp/data/text_input.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <future>

#include "fake_tokenizer.h"
#include "saobp/data/corpus.h"
#include "saobp/io/file.h"
#include "tests/compress.h"

namespace saobp::data {
namespace {

using Documents = std::vector<std::string>;

class TextInputTest : public testing::Test {
 protected:
  static Documents read(const std::string& text, size_t most = 100) {
    Documents documents;
    TextInput(text, "--text").each_document([&](std::string_view document) {
      documents.emplace_back(document);
      return documents.size() < most;
    });
    return documents;
  }
  TempFolder folder_;
};

TEST_F(TextInputTest, EveryLineIsADocumentUnlessToldOtherwise) {
  const auto path = folder_.write("a.txt", "\xEF\xBB\xBFone\r\n \n\ntwo\nthree");
  EXPECT_EQ(read(path), (Documents{"one", "two", "three"}));
  EXPECT_EQ(read(path, 2), (Documents{"one", "two"}));
  EXPECT_EQ(read(path + ":blank"), (Documents{"one", "two\nthree"}));
  EXPECT_EQ(read(path + ":file"), (Documents{"one\n \n\ntwo\nthree"}));
}

TEST_F(TextInputTest, JsonLinesByTheirNameOrTheSuffix) {
  const std::string lines = "{\"text\": \"one\\r\\n\\none\"}\n\n{\"text\": \" \"}\n{\"text\": \"t\\u0000wo\"}";
  const Documents expected{"one\n\none", std::string("t\0wo", 4)};
  EXPECT_EQ(read(folder_.write("a.JSONL", lines)), expected);
  EXPECT_EQ(read(folder_.write("a.ndjson.gzip", tests::gzip(lines))), expected);
  EXPECT_EQ(read(folder_.write("a.txt", lines) + ":jsonl"), expected);
}

TEST_F(TextInputTest, FoldersGlobsAndPipes) {
  folder_.write("c/b.txt", "2");
  folder_.write("c/a.jsonl", "{\"text\": \"1\"}");
  EXPECT_EQ(read((folder_ / "c").string()), (Documents{"1", "2"}));
  EXPECT_EQ(read((folder_ / "c/*.txt").string()), (Documents{"2"}));
  const auto pipe = (folder_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  auto writing = std::async(std::launch::async, [&] { io::write_file(pipe, tests::gzip("3\n4\n")); });
  EXPECT_EQ(read(pipe), (Documents{"3", "4"}));
  writing.get();
}

TEST_F(TextInputTest, WhatMakesNoSenseIsRefused) {
  const auto path = folder_.write("a.txt", "a\0b");
  EXPECT_EQ(error_of([&] { read(path + ":2"); }),
            "usage: --text " + path + ":2: a weight was given; only sources of --corpus have one");
  EXPECT_EQ(error_of([&] { read(path + "x"); }), path + "x: no such file or folder");
  folder_.write("a.txt", std::string_view("a\0b", 3));
  EXPECT_NE(error_of([&] { read(path); }).find("a NUL byte"), std::string::npos);
  Documents lines;
  TextInput(path, "--text", "text", NulBytes::accepted).each_block([&](TextBlock& block) {
    lines.push_back(block.text);
  });
  EXPECT_EQ(lines, (Documents{std::string("a\0b", 3)}));
}

TEST_F(TextInputTest, ACorpusThatChangesWhileItIsReadIsNamed) {
  std::string text;
  while (text.size() < (40u << 20)) text += "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n\n";
  const FakeTokenizer tokenizer;
  for (const bool shrinks : {true, false}) {
    const auto path = folder_.write("a.txt", text);
    bool changed = false;
    const auto change = [&](const CorpusProgress&) {
      if (std::exchange(changed, true)) return;
      shrinks ? fs::resize_file(path, 1000) : void(folder_.write("a.txt", text + "16\n"));
    };
    const CorpusOptions options{{path}, {}, DocumentEnd::blank, folder_ / "cache"};
    EXPECT_EQ(error_of([&] { Corpus(options, tokenizer, change, 2); }),
              path + ": changed while it was read; nothing was cached");
    EXPECT_TRUE(changed && fs::is_empty(folder_ / "cache"));
  }
}

}  // namespace
}  // namespace saobp::data
