#include "saobp/io/sealed_json.h"

#include <gtest/gtest.h>

#include "saobp/io/hash.h"
#include "tests/tools.h"

namespace saobp::io {
namespace {

using tests::error_of;
using tests::TempFolder;

uint64_t hash_of(std::string_view text) {
  Hash64 hash;
  hash.add(text);
  return hash.value();
}

TEST(SealedJson, RoundTrip) {
  TempFolder folder;
  folder.write("weights", "abc");
  const auto path = folder / "record.json";
  const Json json = {{"step", 40}, {"name", "λ \"0000000000000000\""}, {"rate", 0.1}};
  write_sealed_json(path, json, {{"weights", hash_of("abc")}});
  const auto read = read_sealed_json(path);
  EXPECT_EQ(read.json, json);
  EXPECT_TRUE(read.sealed);
  EXPECT_NE(read_file(path).find("\"weights\": \"44bc2cf5ad770999\""), std::string::npos);  // XXH64 of "abc"
}

TEST(SealedJson, EveryByteCounts) {
  TempFolder folder;
  folder.write("weights", "abc");
  const auto path = folder / "record.json";
  write_sealed_json(path, {{"step", 40}, {"seconds", 1.25}}, {{"weights", hash_of("abc")}});
  const auto text = read_file(path);
  for (size_t at = 0; at < text.size(); ++at)
    for (int bits : {1, 2, 4, 8, 16, 32, 64, 128, ' ' ^ '\t', '\n' ^ ' '}) {
      auto changed = text;
      changed[at] = static_cast<char>(changed[at] ^ bits);
      folder.write("record.json", changed);
      EXPECT_EQ(error_of([&] { read_sealed_json(path); }).find(path.string()), 0u) << at << " " << bits;
    }
}

TEST(SealedJson, FilesBesideItCount) {
  TempFolder folder;
  const auto path = folder / "record.json";
  write_sealed_json(path, {{"step", 40}}, {{"weights", hash_of("abc")}});
  EXPECT_EQ(error_of([&] { read_sealed_json(path); }).find((folder / "weights").string() + ": cannot be opened"), 0u);
  folder.write("weights", "abd");
  EXPECT_EQ(error_of([&] { read_sealed_json(path); }),
            (folder / "weights").string() + ": is damaged or another file: its checksum is " +
                hexadecimal(hash_of("abd")) + ", that of what was written is 44bc2cf5ad770999");
}

TEST(SealedJson, OneWithoutChecksumsIsToldApart) {
  TempFolder folder;
  const auto path = folder.write("record.json", R"({"step": 3})");
  EXPECT_FALSE(read_sealed_json(path).sealed);
  for (const char* text : {R"({"step": 3, "checksum": "ef46db3751d8e999"})", R"({"step": 3, "checksums": {}})",
                           R"({"checksum": 7, "checksums": {}})", R"({"checksum": "", "checksums": {}})",
                           R"({"checksum": "ef46db3751d8e999", "checksums": {}})", "[]"}) {
    folder.write("record.json", text);
    EXPECT_EQ(error_of([&] { read_sealed_json(path); }).find(path + ": "), 0u) << text;
  }
}

}  // namespace
}  // namespace saobp::io
