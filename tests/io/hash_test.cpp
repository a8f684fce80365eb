#include "saobp/io/hash.h"

#include <gtest/gtest.h>

namespace saobp::io {
namespace {

// Values published with the algorithm and its bindings.
TEST(Hash64, IsXxh64) {
  auto hash = [](std::string_view text) {
    Hash64 hash;
    hash.add(text);
    return hash.value();
  };
  EXPECT_EQ(hash(""), 0xEF46DB3751D8E999ull);
  EXPECT_EQ(hash("abc"), 0x44BC2CF5AD770999ull);
  EXPECT_EQ(hash("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1ull);
}

TEST(Hash64, PiecesDoNotMatter) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 7));
  Hash64 whole;
  whole.add(text);
  for (size_t piece : {1u, 3u, 31u, 32u, 33u, 100u}) {
    Hash64 hash;
    for (size_t at = 0; at < text.size(); at += piece) hash.add(std::string_view(text).substr(at, piece));
    EXPECT_EQ(hash.value(), whole.value()) << piece;
  }
}

TEST(Hash64, Hexadecimal) {
  EXPECT_EQ(hexadecimal(0), "0000000000000000");
  EXPECT_EQ(hexadecimal(0xEF46DB3751D8E999ull), "ef46db3751d8e999");
}

}  // namespace
}  // namespace saobp::io
