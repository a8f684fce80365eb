#include "saobp/data/corpus_options.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fake_tokenizer.h"

namespace saobp::data {
namespace {

TEST(CorpusSource, PathWeightAndDocument) {
  auto plain = parse_source("a/b*.txt", DocumentEnd::file);
  EXPECT_EQ(plain.path, "a/b*.txt");
  EXPECT_FALSE(plain.weight);
  EXPECT_EQ(plain.document, DocumentEnd::file);
  for (const char* text : {"novels:2.5:file", "novels:file:2.5"}) {
    auto source = parse_source(text, DocumentEnd::blank);
    EXPECT_EQ(source.path, "novels");
    EXPECT_EQ(source.weight, 2.5);
    EXPECT_EQ(source.document, DocumentEnd::file);
  }
  EXPECT_EQ(parse_source("novels:blank", DocumentEnd::file).document, DocumentEnd::blank);
  EXPECT_EQ(parse_source("a:b:3", DocumentEnd::blank).path, "a:b");
}

TEST(CorpusSource, APathThatExistsWins) {
  TempFolder folder;
  auto path = folder.write("part:2", "1");
  EXPECT_EQ(parse_source(path, DocumentEnd::blank).path, path);
  EXPECT_FALSE(parse_source(path, DocumentEnd::blank).weight);
  EXPECT_EQ(parse_source(path + ":3", DocumentEnd::blank).path, path);
  EXPECT_EQ(parse_source(path + ":3", DocumentEnd::blank).weight, 3);
}

TEST(CorpusSource, BadSuffixesAreWrongUsage) {
  TempFolder folder;
  auto path = folder.write("a.txt", "1");
  for (const char* weight : {"0", "-1", "nan", "inf", "1e999"})
    EXPECT_EQ(
        error_of([&] { parse_source(path + ":" + weight, DocumentEnd::blank); }),
        "usage: --corpus " + path + ":" + weight + ": the weight is " + weight + "; a positive number was expected");
  EXPECT_EQ(error_of([&] { parse_source(path + ":lines", DocumentEnd::blank); }),
            "usage: --corpus " + path + ":lines: \"lines\" is neither a weight nor blank, file, line or jsonl");
  EXPECT_EQ(error_of([] { parse_source(":2", DocumentEnd::blank); }),
            "usage: --corpus \":2\": PATH[:WEIGHT][:blank|:file|:line|:jsonl] was expected");
  EXPECT_EQ(error_of([] { parse_sources({}); }),
            "usage: --corpus: no text was given; a file, a folder or a glob was expected");
  EXPECT_EQ(error_of([] { parse_sources({{"a:1", "b"}, {}, {}, {}}); }),
            "usage: --corpus b has no weight but another source has; give all of them one, or none");
}

TEST(CorpusSource, FilesOfJsonLinesAreToldByTheirName) {
  auto end = [](const char* source, const char* file) {
    return document_end(parse_source(source, DocumentEnd::blank), file);
  };
  for (const char* file : {"a.jsonl", "b/a.ndjson", "a.json.gz", "a.b.jsonl.zst", "a.JSONL", "a.Json.GZ",
                           "a.jsonl.zstd", "a.jsonlines", "a.NDJSON.gzip"})
    EXPECT_EQ(end("x", file), DocumentEnd::jsonl) << file;
  for (const char* file : {"a.txt", "jsonl", "a.jsonl.txt", "a.jsonl.bak.gz", "a.gz"})
    EXPECT_EQ(end("x", file), DocumentEnd::blank) << file;
  EXPECT_EQ(end("x:line", "a.jsonl"), DocumentEnd::line);
  EXPECT_EQ(end("x:jsonl", "a.txt"), DocumentEnd::jsonl);
}

TEST(CorpusOptions, GoThroughJson) {
  CorpusOptions options{{"a:2", "b:1:file"}, {"SOURCE.txt"}, DocumentEnd::file, "there", "body", false, 0.1, 3};
  auto back = io::fields_from_json<CorpusOptions>(io::fields_to_json(options), "run.json");
  EXPECT_EQ(back.corpus, options.corpus);
  EXPECT_EQ(back.exclude, options.exclude);
  EXPECT_EQ(back.document, DocumentEnd::file);
  EXPECT_EQ(back.cache, "there");
  EXPECT_EQ(back.text_field, "body");
  EXPECT_FALSE(back.pack);
  EXPECT_EQ(back.holdout, 0.1);
  EXPECT_EQ(back.holdout_seed, 3);
}

class FindFiles : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"b.txt", "a/z.txt", "a/SOURCE.txt", "A.txt", "a-b.txt", ".hidden.txt", ".git/x.txt",
                             "drafts/deep/old.txt", "\xC3\xA9.txt"})
      folder_.write(std::string("c/") + name, "1");
  }
  // Paths below c/.
  std::vector<std::string> find(const std::string& path, const std::vector<std::string>& exclude = {}) {
    std::vector<std::string> names;
    for (const auto& file : find_files({(folder_ / path).string(), std::nullopt, DocumentEnd::blank}, exclude))
      names.push_back(fs::path(file).lexically_relative(folder_ / "c").string());
    return names;
  }
  TempFolder folder_;
  using Names = std::vector<std::string>;
};

TEST_F(FindFiles, FoldersAreWalkedAndSortedByBytes) {
  Names all{"A.txt", "a-b.txt", "a/SOURCE.txt", "a/z.txt", "b.txt", "drafts/deep/old.txt", "\xC3\xA9.txt"};
  EXPECT_EQ(find("c"), all);
  EXPECT_EQ(find("c/"), all);
}

TEST_F(FindFiles, GlobsMatchFilesAndFolders) {
  EXPECT_EQ(find("c/?.txt"), (Names{"A.txt", "b.txt"}));
  EXPECT_EQ(find("c/[ab]*"), (Names{"a-b.txt", "a/SOURCE.txt", "a/z.txt", "b.txt"}));
}

TEST_F(FindFiles, HiddenFilesCountOnlyWhenNamed) {
  EXPECT_EQ(find("c/.hidden.txt"), (Names{".hidden.txt"}));
  EXPECT_EQ(find("c/.git"), (Names{".git/x.txt"}));
}

TEST_F(FindFiles, ExcludeMatchesNamesAndRelativePaths) {
  EXPECT_EQ(find("c", {"SOURCE.txt", "drafts/*", "?.txt"}), (Names{"a-b.txt", "\xC3\xA9.txt"}));
  EXPECT_EQ(find("c", {"*/*"}), (Names{"A.txt", "a-b.txt", "b.txt", "\xC3\xA9.txt"}));
}

TEST_F(FindFiles, FollowsLinksAndWalksEachFolderOnce) {
  fs::create_symlink(folder_ / "c/b.txt", folder_ / "c/drafts/link.txt");
  fs::create_directory_symlink(folder_ / "c/a", folder_ / "c/drafts/again");
  fs::create_directory_symlink(folder_ / "c/drafts", folder_ / "c/drafts/deep/loop");
  folder_.write("elsewhere/sub/e.txt", "");
  fs::create_directory_symlink("sub", folder_ / "elsewhere/within");
  fs::create_directory_symlink("../../elsewhere", folder_ / "c/drafts/out");
  EXPECT_EQ(find("c/drafts"), (Names{"drafts/again/SOURCE.txt", "drafts/again/z.txt", "drafts/deep/old.txt",
                                     "drafts/link.txt", "drafts/out/sub/e.txt"}));
  // By its own name, where the source has it.
  EXPECT_EQ(find("c"), (Names{"A.txt", "a-b.txt", "a/SOURCE.txt", "a/z.txt", "b.txt", "drafts/deep/old.txt",
                              "drafts/link.txt", "drafts/out/sub/e.txt", "\xC3\xA9.txt"}));
}

TEST_F(FindFiles, WhatCannotBeReadIsNamed) {
  const auto dead = folder_ / "c/drafts/dead.txt";
  fs::create_symlink("nowhere", dead);
  const auto message = dead.string() + ": is a link that leads nowhere";
  EXPECT_EQ(error_of([&] { find("c"); }), message + " (--exclude leaves it out)");
  EXPECT_EQ(error_of([&] { find("c/drafts/dead.txt"); }), message);
  EXPECT_EQ(error_of([&] { find("c/drafts/d*.txt"); }), message);
  EXPECT_EQ(find("c/drafts", {"dead.txt"}), (Names{"drafts/deep/old.txt"}));
  fs::remove(dead);
  ASSERT_EQ(::mkfifo(dead.c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { find("c"); }), dead.string() +
                                              ": is a pipe; a file, which can be read again, was expected "
                                              "(--exclude leaves it out)");
  EXPECT_EQ(find_files({dead, std::nullopt, DocumentEnd::line}, {}, Streams::accepted), (std::vector<fs::path>{dead}));
}

TEST_F(FindFiles, NothingThereIsAnError) {
  EXPECT_EQ(error_of([&] { find("none.txt"); }), (folder_ / "none.txt").string() + ": no such file or folder");
  EXPECT_EQ(error_of([&] { find("none*.txt"); }),
            (folder_ / "none*.txt").string() + ": no file matches; a file, a folder or a glob was expected");
  EXPECT_EQ(error_of([&] { find("c/a", {"*"}); }),
            (folder_ / "c/a").string() + ": --exclude leaves none of its 2 files");
  fs::create_directory(folder_ / "empty");
  EXPECT_EQ(error_of([&] { find("empty"); }),
            (folder_ / "empty").string() + ": no file is in this folder; text files were expected");
  EXPECT_EQ(error_of([] { find_files({"/dev/null", std::nullopt, DocumentEnd::blank}, {}); }),
            "/dev/null: is a device; a file, which can be read again, was expected");
}

// Puts the variables back, since all tests share one process.
class CacheFolder : public testing::Test {
 protected:
  static constexpr const char* kNames[] = {"SAOBP_CACHE", "XDG_CACHE_HOME", "HOME"};
  static void set(const char* name, const char* value) { value ? ::setenv(name, value, 1) : ::unsetenv(name); }
  void SetUp() override {
    for (const char* name : kNames) {
      const char* value = std::getenv(name);
      saved_.push_back(value ? std::optional<std::string>(value) : std::nullopt);
    }
  }
  void TearDown() override {
    for (size_t i = 0; i < saved_.size(); ++i) set(kNames[i], saved_[i] ? saved_[i]->c_str() : nullptr);
  }
  std::vector<std::optional<std::string>> saved_;
};

TEST_F(CacheFolder, OptionThenEnvironment) {
  set("SAOBP_CACHE", "/s"), set("XDG_CACHE_HOME", "/x"), set("HOME", "/h");
  EXPECT_EQ(cache_folder("/o"), "/o");
  EXPECT_EQ(cache_folder(""), "/s");
  set("SAOBP_CACHE", nullptr);
  EXPECT_EQ(cache_folder(""), "/x/saobp");
  set("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(cache_folder(""), "/h/.cache/saobp");
  set("HOME", nullptr);
  EXPECT_EQ(cache_folder(""), ".cache/saobp");
}

}  // namespace
}  // namespace saobp::data
