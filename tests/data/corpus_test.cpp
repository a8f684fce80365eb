#include "saobp/data/corpus.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <set>

#include "fake_tokenizer.h"
#include "tests/compress.h"

namespace saobp::data {
namespace {

using Ids = std::vector<int32_t>;

// The documents of a source, as the numbers that the text has.
std::vector<Ids> documents_of(const Corpus& corpus, size_t source = 0) {
  std::vector<Ids> documents;
  const TokenCache& tokens = corpus.sources().at(source).tokens;
  for (uint64_t i = 0; i < tokens.documents(); ++i) {
    documents.emplace_back();
    for (int32_t id : tokens.document(i)) documents.back().push_back(id - FakeTokenizer::kFirst);
  }
  return documents;
}

class CorpusTest : public testing::Test {
 protected:
  CorpusOptions options(std::vector<std::string> corpus) {
    for (auto& path : corpus) path = folder_ / path;
    return {corpus, {}, DocumentEnd::blank, folder_ / "cache"};
  }
  std::vector<fs::path> cache_files() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache")) files.push_back(entry.path());
    return files;
  }
  TempFolder folder_;
  FakeTokenizer tokenizer_;
};

TEST_F(CorpusTest, DocumentsInTheOrderOfFilesAndText) {
  folder_.write("c/b.txt",
                "\xEF\xBB\xBF"
                "4 5\r\n6\r\n\r\n7");
  folder_.write("c/a.txt", "1 2\n\n \n3\n");
  folder_.write("c/empty.txt", "");
  Corpus corpus(options({"c"}), tokenizer_);
  EXPECT_EQ(documents_of(corpus), (std::vector<Ids>{{1, 2}, {3}, {4, 5, 6}, {7}}));
  EXPECT_EQ(corpus.documents(), 4u);
  EXPECT_EQ(corpus.tokens(), 7u);
  EXPECT_EQ(corpus.sources()[0].files, 3u);
  EXPECT_EQ(corpus.sources()[0].bytes, 9u + 14u);
  EXPECT_FALSE(corpus.sources()[0].cached);
  EXPECT_FALSE(corpus.weighted());
}

TEST_F(CorpusTest, EachSourceHasItsDocumentSetting) {
  folder_.write("novel.txt", "1\n\n2\n");
  folder_.write("web.txt", "3\n\n4\n");
  Corpus corpus(options({"novel.txt:2:file", "web.txt:1"}), tokenizer_);
  EXPECT_EQ(documents_of(corpus, 0), (std::vector<Ids>{{1, 2}}));
  EXPECT_EQ(documents_of(corpus, 1), (std::vector<Ids>{{3}, {4}}));
  EXPECT_TRUE(corpus.weighted());
  EXPECT_EQ(corpus.sources()[0].weight, 2.0);
  auto whole = options({"web.txt"});
  whole.document = DocumentEnd::file;
  EXPECT_EQ(documents_of(Corpus(whole, tokenizer_)), (std::vector<Ids>{{3, 4}}));
}

TEST_F(CorpusTest, IsTokenisedOnce) {
  folder_.write("a.txt", "1 2\n\n3");
  auto first = documents_of(Corpus(options({"a.txt"}), tokenizer_));
  EXPECT_EQ(tokenizer_.documents_encoded, 2);
  Corpus again(options({"a.txt"}), tokenizer_);
  EXPECT_EQ(tokenizer_.documents_encoded, 2);
  EXPECT_TRUE(again.sources()[0].cached);
  EXPECT_EQ(documents_of(again), first);
  // The name is not part of the key, the content is.
  folder_.write("other.txt", "1 2\n\n3");
  EXPECT_TRUE(Corpus(options({"other.txt:5"}), tokenizer_).sources()[0].cached);
}

TEST_F(CorpusTest, EverythingThatIdsFollowFromMakesThemAnew) {
  folder_.write("a.txt", "1 2\n\n3");
  Corpus before(options({"a.txt"}), tokenizer_);
  auto whole = options({"a.txt:file"});
  EXPECT_FALSE(Corpus(whole, tokenizer_).sources()[0].cached);
  FakeTokenizer other("another tokenizer");
  EXPECT_FALSE(Corpus(options({"a.txt"}), other).sources()[0].cached);
  folder_.write("a.txt", "1 2\n\n4");  // same size
  Corpus after(options({"a.txt"}), tokenizer_);
  EXPECT_FALSE(after.sources()[0].cached);
  EXPECT_EQ(documents_of(after), (std::vector<Ids>{{1, 2}, {4}}));
  EXPECT_EQ(documents_of(before), (std::vector<Ids>{{1, 2}, {3}}));  // still mapped as it was
  EXPECT_EQ(cache_files().size(), 4u);
}

TEST_F(CorpusTest, DamagedCachesAreFoundAndMadeAnew) {
  folder_.write("a.txt", "1 2 3 4 5\n\n6 7");
  const auto expected = documents_of(Corpus(options({"a.txt"}), tokenizer_));
  const auto path = cache_files().at(0);
  const std::string good = io::read_file(path);
  std::vector<std::string> damaged{"", good.substr(0, 8), good.substr(0, good.size() - 8),
                                   good.substr(0, good.size() - 3), good + std::string(8, '\0')};
  for (size_t at = 0; at < good.size(); ++at) {
    damaged.push_back(good);
    damaged.back()[at] ^= 0x10;
  }
  std::set<std::string> told;
  for (const auto& bytes : damaged) {
    folder_.write("cache/" + path.filename().string(), bytes);
    Corpus corpus(options({"a.txt"}), tokenizer_);
    EXPECT_FALSE(corpus.sources()[0].cached);
    EXPECT_EQ(documents_of(corpus), expected);
    EXPECT_EQ(io::read_file(path), good);
    told.insert(corpus.sources()[0].damage);
  }
  EXPECT_EQ(told.count(""), 0u);
  EXPECT_EQ(told.count("its checksum is wrong"), 1u);
  EXPECT_EQ(told.count("it is cut short"), 1u);
  EXPECT_EQ(Corpus(options({"a.txt"}), tokenizer_).sources()[0].damage, "");
}

// Enough text for several waves and tasks; the number of threads must not show.
TEST_F(CorpusTest, ThreadsKeepTheOrder) {
  std::string text;
  for (int i = 0; i < 880000; ++i) {
    text += std::to_string(i % 1000) + " 1 2 3 4 5 6 7 8 9\n" + (i % 7 == 0 ? "\n" : "");
    if (i % 40000 == 39999) folder_.write(concat("c/", 100 + i / 40000, ".txt"), text), text.clear();
  }
  uint64_t calls = 0, last = 0, total = 0;
  Corpus one(
      options({"c"}), tokenizer_,
      [&](const CorpusProgress& progress) {
        EXPECT_EQ(progress.source, folder_ / "c");
        EXPECT_GE(progress.bytes, last);
        ++calls, last = progress.bytes, total = progress.total_bytes;
      },
      1);
  EXPECT_GE(calls, 2u);
  EXPECT_EQ(last, total);
  EXPECT_EQ(total, one.sources()[0].bytes);
  EXPECT_EQ(one.tokens(), 8800000u);
  auto elsewhere = options({"c"});
  elsewhere.cache = folder_ / "cache4";
  Corpus four(elsewhere, tokenizer_, {}, 4);
  EXPECT_FALSE(four.sources()[0].cached);
  EXPECT_EQ(io::read_file(one.sources()[0].tokens.path()), io::read_file(four.sources()[0].tokens.path()));
}

TEST_F(CorpusTest, WhatProgressThrowsStopsTheWork) {
  folder_.write("a.txt", "1 2");
  EXPECT_EQ(error_of([&] { Corpus(options({"a.txt"}), tokenizer_, [](const CorpusProgress&) { fail("stopped"); }); }),
            "stopped");
  EXPECT_TRUE(cache_files().empty());
}

TEST_F(CorpusTest, WhatATokenizerThrowsStopsTheWork) {
  struct Failing : FakeTokenizer {
    void encode(std::string_view text, Ids& ids) const override {
      if (text == "2") fail("cannot encode");
      FakeTokenizer::encode(text, ids);
    }
  } failing;
  folder_.write("a.txt", "1\n\n2\n\n3");
  EXPECT_EQ(error_of([&] { Corpus(options({"a.txt"}), failing); }), "cannot encode");
  EXPECT_TRUE(cache_files().empty());
}

TEST_F(CorpusTest, BadTextIsRefusedByFileLineAndByte) {
  folder_.write("c/a.txt", "1 2 3");
  auto bad = folder_.write("c/b.txt", "1\n2 \xC3(");
  EXPECT_EQ(error_of([&] { Corpus(options({"c"}), tokenizer_); }),
            bad + ": line 2, byte offset 4: invalid UTF-8 (byte 0xC3); UTF-8 text was expected");
  auto binary = folder_.write("c/b.txt", std::string_view("\x7F"
                                                          "ELF\x02\0\0",
                                                          7));
  EXPECT_EQ(error_of([&] { Corpus(options({"c"}), tokenizer_); }),
            binary + ": line 1, byte offset 5: a NUL byte; this is a binary file, UTF-8 text was expected");
  auto without = options({"c"});
  without.exclude = {"b.*"};
  EXPECT_EQ(Corpus(without, tokenizer_).tokens(), 3u);
}

TEST_F(CorpusTest, TextWithoutATokenIsRefused) {
  folder_.write("c/a.txt", "");
  folder_.write("c/b.txt", " \r\n\n");
  EXPECT_EQ(error_of([&] { Corpus(options({"c"}), tokenizer_); }),
            (folder_ / "c").string() + ": 2 files of 4 bytes in all and not one token; text was expected");
  EXPECT_TRUE(cache_files().empty());
}

TEST_F(CorpusTest, ACacheFolderThatCannotBeMadeIsAnError) {
  auto in_the_way = folder_.write("file", "");
  folder_.write("a.txt", "1 2");
  auto blocked = options({"a.txt"});
  blocked.cache = in_the_way + "/cache";
  EXPECT_NE(error_of([&] { Corpus(blocked, tokenizer_); }).find(in_the_way + "/cache: this folder cannot be made"),
            std::string::npos);
}

TEST_F(CorpusTest, FilesOfAllKindsInOneFolder) {
  folder_.write("c/1.txt", "1 2\n\n3");
  folder_.write("c/2.jsonl", "{\"text\": \"4\\n\\n5\"}\n\n{\"text\": \" \"}\n{\"text\": \"6\"}\n");
  folder_.write("c/3.txt.gz", tests::gzip("7\n\n8"));
  folder_.write("c/4.json.gz", tests::gzip("{\"text\": \"9\"}\n"));
  folder_.write("c/5.jsonl.zst", tests::zstd("{\"text\": \"10 11\"}\n{\"text\": \"12\"}"));
  Corpus corpus(options({"c"}), tokenizer_);
  EXPECT_EQ(documents_of(corpus), (std::vector<Ids>{{1, 2}, {3}, {4, 5}, {6}, {7}, {8}, {9}, {10, 11}, {12}}));
  // A suffix holds for every file of the source, whatever its name.
  EXPECT_EQ(documents_of(Corpus(options({"c/1.txt:line"}), tokenizer_)), (std::vector<Ids>{{1, 2}, {3}}));
  folder_.write("lines", "{\"text\": \"1\"}");
  EXPECT_EQ(documents_of(Corpus(options({"lines:jsonl"}), tokenizer_)), (std::vector<Ids>{{1}}));
  EXPECT_EQ(documents_of(Corpus(options({"c/2.jsonl:file"}), tokenizer_)).size(), 1u);
}

TEST_F(CorpusTest, TheTextFieldIsPartOfTheKeyWhereItIsRead) {
  folder_.write("a.jsonl", "{\"text\": \"1\", \"body\": \"2\"}");
  folder_.write("a.txt", "1");
  EXPECT_EQ(documents_of(Corpus(options({"a.jsonl"}), tokenizer_)), (std::vector<Ids>{{1}}));
  auto body = options({"a.jsonl", "a.txt"});
  body.text_field = "body";
  Corpus first(options({"a.txt"}), tokenizer_);
  Corpus corpus(body, tokenizer_);
  EXPECT_EQ(documents_of(corpus), (std::vector<Ids>{{2}}));
  EXPECT_FALSE(corpus.sources()[0].cached);
  EXPECT_TRUE(corpus.sources()[1].cached);
}

TEST_F(CorpusTest, ADamagedFileLeavesNoCache) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += concat(i % 1000, "\n\n");
  const std::string zipped = tests::gzip(text);
  const auto path = folder_.write("a.txt.gz", zipped.substr(0, zipped.size() / 2));
  EXPECT_EQ(
      error_of([&] { Corpus(options({"a.txt.gz"}), tokenizer_); }),
      concat(path, ": byte offset ", zipped.size() / 2, ": the gzip stream ends too early; the file is cut short"));
  EXPECT_TRUE(cache_files().empty());
  folder_.write("a.txt.gz", zipped);
  EXPECT_EQ(Corpus(options({"a.txt.gz"}), tokenizer_).documents(), 20000u);
}

// Documents of their own are told apart by their ids, copies are not.
std::set<Ids> part_of(const Corpus& corpus, Part part, size_t source = 0) {
  std::set<Ids> documents;
  for (Document document : corpus.documents(source, part)) documents.emplace(document.begin(), document.end());
  return documents;
}

TEST_F(CorpusTest, HeldOutDocumentsAreNotTrainedOn) {
  std::string text;
  for (int i = 0; i < 4000; ++i) text += concat(i % 1000, " ", i / 1000, "\n\n");
  folder_.write("a.txt", text + text);  // each document twice
  auto held = options({"a.txt"});
  held.holdout = 0.1;
  Corpus corpus(held, tokenizer_);
  const auto out = part_of(corpus, Part::held_out), in = part_of(corpus, Part::training);
  EXPECT_NEAR(static_cast<double>(out.size()), 400, 5 * std::sqrt(4000 * 0.1 * 0.9));
  EXPECT_EQ(in.size() + out.size(), 4000u);
  for (const Ids& ids : out) EXPECT_FALSE(in.count(ids));
  EXPECT_EQ(corpus.documents(0, Part::held_out).size(), 2 * out.size());
  EXPECT_EQ(corpus.documents(0, Part::all).size(), 8000u);

  held.holdout_seed = 1;
  EXPECT_NE(part_of(Corpus(held, tokenizer_), Part::held_out), out);
  held.holdout_seed = 0;
  folder_.write("more.txt", "17 18 19\n\n" + text);  // what is held out stays so among other documents
  held.corpus = {folder_ / "more.txt"};
  for (const Ids& ids : out) EXPECT_TRUE(part_of(Corpus(held, tokenizer_), Part::held_out).count(ids));
  EXPECT_EQ(part_of(Corpus(options({"a.txt"}), tokenizer_), Part::training).size(), 4000u);
}

// A limit on the size of files stands in for a full disk: both make a write fail half-way.
TEST_F(CorpusTest, AWriteThatFailsLeavesNothingBehind) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "1 2 ";
  folder_.write("a.txt", text);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small{1 << 16, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string error = error_of([&] { Corpus(options({"a.txt"}), tokenizer_); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(error.find(".ids: cannot be written: "), std::string::npos) << error;
  EXPECT_TRUE(cache_files().empty());
  EXPECT_EQ(Corpus(options({"a.txt"}), tokenizer_).tokens(), 200000u);
}

}  // namespace
}  // namespace saobp::data
