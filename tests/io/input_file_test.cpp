#include "saobp/io/input_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <future>

#include "saobp/io/file.h"
#include "tests/compress.h"
#include "tests/tools.h"

namespace saobp::io {
namespace {

using tests::error_of;
using tests::TempFolder;

std::string contents(const fs::path& path, size_t piece = 1 << 16) {
  InputFile file(path);
  std::string text;
  while (file.read(text, piece) > 0) EXPECT_LE(file.position(), file.size());
  EXPECT_EQ(file.position(), file.size());
  return text;
}

// Long enough for several blocks of either format.
std::string sample() {
  std::string text;
  for (int i = 0; text.size() < 300000; ++i) text += concat("line ", i * i % 9973, " of some text\n");
  return text;
}

class Input : public testing::Test {
 protected:
  TempFolder folder_;
};

TEST_F(Input, PlainAndCompressedHaveTheSameContents) {
  const std::string text = sample();
  for (const auto& [name, bytes] :
       {std::pair{"a.txt", text}, {"a.gz", tests::gzip(text)}, {"a.zst", tests::zstd(text)}}) {
    const auto path = folder_.write(name, bytes);
    EXPECT_EQ(InputFile(path).compressed(), bytes != text);
    EXPECT_EQ(InputFile(path).start(), bytes.substr(0, 4096));
    for (size_t piece : {size_t{997}, size_t{1} << 12, size_t{1} << 20}) EXPECT_EQ(contents(path, piece), text) << name;
  }
  EXPECT_EQ(contents(folder_.write("empty.txt", "")), "");
  EXPECT_EQ(contents(folder_.write("empty.gz", tests::gzip(""))), "");
  EXPECT_EQ(contents(folder_.write("empty.zst", tests::zstd(""))), "");
}

TEST_F(Input, TheFirstBytesDecideNotTheName) {
  EXPECT_EQ(contents(folder_.write("a.gz", "plain text")), "plain text");
  EXPECT_EQ(contents(folder_.write("a.txt", tests::gzip("zipped"))), "zipped");
  EXPECT_EQ(contents(folder_.write("b.gz", tests::zstd("zipped"))), "zipped");
}

TEST_F(Input, StreamsThatFollowEachOtherAreOne) {
  EXPECT_EQ(contents(folder_.write("a", tests::gzip("one ") + tests::gzip("") + tests::gzip("two")), 3), "one two");
  EXPECT_EQ(contents(folder_.write("b", tests::zstd("one ") + tests::zstd("") + tests::zstd("two")), 3), "one two");
  const std::string skippable("\x50\x2A\x4D\x18\x03\0\0\0abc", 11);
  EXPECT_EQ(contents(folder_.write("c", skippable + tests::zstd("text"))), "text");
}

TEST_F(Input, ZerosBehindAStreamArePadding) {
  const std::string zeros(3 << 20, '\0');
  for (const auto& compress : {tests::gzip, tests::zstd}) {
    const std::string one = compress("one "), two = compress("two");
    EXPECT_EQ(contents(folder_.write("end", one + zeros), 3), "one ");
    EXPECT_EQ(contents(folder_.write("between", one + zeros + two + std::string(1, '\0')), 3), "one two");
    const auto path = folder_.write("garbage", one + zeros + "garbage");
    EXPECT_NE(error_of([&] { contents(path); }).find(" stream is damaged: "), std::string::npos);
  }
}

TEST_F(Input, PipesAreReadAsFilesAre) {
  const std::string text = sample();
  for (const auto& bytes : {text, tests::gzip(text), tests::zstd(text), std::string()}) {
    const auto path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    auto writing = std::async(std::launch::async, [&] { write_file(path, bytes); });
    InputFile file(path);
    std::string found;
    while (file.read(found, 10007) > 0) {
    }
    writing.get();
    EXPECT_TRUE(found == text || (bytes.empty() && found.empty()));
    EXPECT_FALSE(file.regular());
    EXPECT_EQ(file.position(), bytes.size());
    fs::remove(path);
  }
}

TEST_F(Input, AFileThatShrinksWhileItIsReadEndsThere) {
  const std::string text = sample();
  const auto path = folder_.write("shrinking", text);
  InputFile file(path);
  std::string found;
  file.read(found, 5000);
  fs::resize_file(path, 10000);
  while (file.read(found, 5000) > 0) {
  }
  EXPECT_EQ(found, text.substr(0, 10000));
}

TEST_F(Input, NamesOfCompressedFiles) {
  for (const char* name : {"a.gz", "a.GZ", "a.txt.gzip", "a.zst", "a.Zstd"}) EXPECT_TRUE(has_compressed_name(name));
  for (const char* name : {"gz", ".gz", "a.gz.txt", "a.zs"}) EXPECT_FALSE(has_compressed_name(name)) << name;
}

TEST_F(Input, ACutFileIsNamedWithItsOffset) {
  for (const auto& [name, bytes] : {std::pair{"gzip", tests::gzip(sample())}, {"zstd", tests::zstd(sample())}})
    for (size_t size : {size_t{4}, size_t{30}, bytes.size() / 2, bytes.size() - 9, bytes.size() - 1}) {
      const auto path = folder_.write("cut", bytes.substr(0, size));
      EXPECT_EQ(error_of([&] { contents(path); }),
                concat(path, ": byte offset ", size, ": the ", name, " stream ends too early; the file is cut short"));
    }
  for (const char* name : {"none.txt.gz", "none.zst"}) {
    const auto path = folder_.write(name, "");
    EXPECT_EQ(error_of([&] { contents(path); }),
              path + ": byte offset 0: the file is cut short; its name says that it is compressed");
  }
}

TEST_F(Input, DamageIsNeverReadAsText) {
  const std::string text = sample();
  for (const auto& [name, bytes] : {std::pair{"gzip", tests::gzip(text)}, {"zstd", tests::zstd(text)}}) {
    int found = 0;
    for (size_t at = 16; at < bytes.size(); at += 1009) {
      std::string damaged = bytes;
      damaged[at] ^= 0x20;
      const auto path = folder_.write("damaged", damaged);
      const auto error = error_of([&] { EXPECT_EQ(contents(path), text); });
      EXPECT_TRUE(error.starts_with(path + ": byte offset ")) << error;
      EXPECT_EQ(error.find('\n'), std::string::npos) << error;
      found += error.find(concat("the ", name, " stream is damaged: ")) != std::string::npos;
    }
    EXPECT_GT(found, 10) << name;
  }
  const std::string whole = tests::gzip("text");
  const auto path = folder_.write("more", whole + "and more");
  const auto error = error_of([&] { contents(path); });
  EXPECT_TRUE(error.ends_with("the gzip stream is damaged: incorrect header check")) << error;
}

TEST_F(Input, OtherFormatsAreRefusedByName) {
  using namespace std::string_literals;
  for (const auto& [name, start] : {std::pair{"an xz",
                                              "\xFD"
                                              "7zXZ\0"s},
                                    {"a bzip2", "BZh9"s},
                                    {"a zip", "PK\x03\x04"s}}) {
    const auto path = folder_.write("file", start);
    EXPECT_TRUE(error_of([&] {
                  InputFile{path};
                }).starts_with(concat(path, ": is ", name, " file; text, JSON lines, gzip or zstd was expected (")));
  }
}

}  // namespace
}  // namespace saobp::io
