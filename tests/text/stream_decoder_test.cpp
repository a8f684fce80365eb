#include "saobp/text/stream_decoder.h"

#include <gtest/gtest.h>

#include "saobp/io/file.h"
#include "saobp/text/bpe.h"
#include "saobp/text/byte_level.h"
#include "saobp/text/wordpiece.h"

namespace saobp::text {
namespace {

// A token for each byte, with the byte as its id, and an end of text.
std::unique_ptr<Tokenizer> byte_tokenizer() {
  Vocabulary vocabulary;
  for (int32_t b = 0; b < 256; ++b) vocabulary.add(byte_character(static_cast<uint8_t>(b)), b, "test");
  vocabulary.add("<|endoftext|>", 256, "test");
  return make_bpe({}, std::move(vocabulary), {}, {{.id = 256, .content = "<|endoftext|>", .special = true}}, nullptr,
                  "test");
}

// The pieces that one byte after the other gives, and the last one from finish().
std::vector<std::string> pieces(std::string_view bytes) {
  auto tokenizer = byte_tokenizer();
  StreamDecoder decoder(*tokenizer);
  std::vector<std::string> given;
  for (char byte : bytes) given.push_back(decoder.push(static_cast<uint8_t>(byte)));
  given.push_back(decoder.finish());
  for (const auto& piece : given) io::require_utf8(piece, "a piece");
  return given;
}

using Pieces = std::vector<std::string>;

TEST(StreamDecoder, HoldsBackPartsOfCharacters) {
  EXPECT_EQ(pieces("ab"), (Pieces{"a", "b", ""}));
  EXPECT_EQ(pieces("é!"), (Pieces{"", "é", "!", ""}));
  EXPECT_EQ(pieces("€"), (Pieces{"", "", "€", ""}));
  EXPECT_EQ(pieces("a👍b"), (Pieces{"a", "", "", "", "👍", "b", ""}));
}

TEST(StreamDecoder, ReplacesWhatBecomesNoCharacter) {
  EXPECT_EQ(pieces("\xE2\x82"), (Pieces{"", "", "\uFFFD"}));
  EXPECT_EQ(pieces("\xE2"
                   "a"),
            (Pieces{"",
                    "\uFFFD"
                    "a",
                    ""}));
  EXPECT_EQ(pieces("\xFF\xE2\x82\xAC"), (Pieces{"", "", "", "\uFFFD€", ""}));
  EXPECT_EQ(pieces("\uFFFD"
                   "a"),
            (Pieces{"", "", "",
                    "\uFFFD"
                    "a",
                    ""}))
      << "the character itself is held until the next";
}

TEST(StreamDecoder, PiecesMakeTheWholeText) {
  auto tokenizer = byte_tokenizer();
  // Every byte after every other one, so all kinds of broken sequences.
  std::vector<int32_t> ids;
  for (int32_t a = 0; a < 256; a += 3)
    for (int32_t b = 0; b < 256; b += 7) ids.insert(ids.end(), {a, b});
  StreamDecoder decoder(*tokenizer);
  std::string text;
  for (size_t i = 0; i < 600; ++i) {
    const auto piece = decoder.push(ids[i * 10]);
    io::require_utf8(piece, "a piece");
    text += piece;
  }
  text += decoder.finish();
  std::vector<int32_t> used;
  for (size_t i = 0; i < 600; ++i) used.push_back(ids[i * 10]);
  EXPECT_EQ(text, tokenizer->decode(used, true));
}

TEST(StreamDecoder, ContinuesAText) {
  auto tokenizer = byte_tokenizer();
  StreamDecoder decoder(*tokenizer, {'a', ' ', 256});
  EXPECT_EQ(decoder.push('b'), "b");
  EXPECT_EQ(decoder.push(256), "") << "a special token has no text";
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, SpacesBetweenWordsOfAWordPiece) {
  Vocabulary vocabulary;
  for (const char* token : {"[UNK]", "hello", "##s", "!"}) vocabulary.add(token, vocabulary.end(), "test");
  auto tokenizer = make_wordpiece({}, std::move(vocabulary), {}, nullptr, "test");
  StreamDecoder decoder(*tokenizer, {1});
  Pieces given;
  for (int32_t id : {2, 1, 3, 1}) given.push_back(decoder.push(id));
  EXPECT_EQ(given, (Pieces{"s", " hello", "!", " hello"}));
}

}  // namespace
}  // namespace saobp::text
