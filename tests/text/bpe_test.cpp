#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/text/bpe.h"
#include "saobp/text/bpe_merges.h"
#include "saobp/text/byte_level.h"

namespace saobp::text {
namespace {

using Ids = std::vector<int32_t>;

std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t size = gpt2_piece(text);
    out.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out;
}

using Pieces = std::vector<std::string>;

TEST(Gpt2Pattern, CutsAsTheRegularExpressionDoes) {
  EXPECT_EQ(pieces("Hello world's 42nd  day!"), (Pieces{"Hello", " world", "'s", " 42", "nd", " ", " day", "!"}));
  EXPECT_EQ(pieces("don't I'LL we'll 's"), (Pieces{"don", "'t", " I", "'", "LL", " we", "'ll", " '", "s"}));
  EXPECT_EQ(pieces("a \n\n b"), (Pieces{"a", " \n\n", " b"}));
  EXPECT_EQ(pieces("a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));
  EXPECT_EQ(pieces("a  "), (Pieces{"a", "  "}));
  EXPECT_EQ(pieces(" "), (Pieces{" "}));
  EXPECT_EQ(pieces("x\u00A0\u00A0y"), (Pieces{"x", "\u00A0", "\u00A0", "y"}));
  EXPECT_EQ(pieces("é漢１²!…"), (Pieces{"é漢", "１²", "!…"}));
  EXPECT_EQ(pieces("e\u0301a"), (Pieces{"e", "\u0301", "a"}));  // a mark is no letter
}

TEST(ByteAlphabet, CoversEveryByteOnce) {
  std::string spelt, bytes;
  for (int b = 0; b < 256; ++b) spelt += byte_character(static_cast<uint8_t>(b)), bytes.push_back(static_cast<char>(b));
  EXPECT_EQ(spelt_bytes(spelt), bytes);
  EXPECT_EQ(byte_character(' '), "Ġ");
  EXPECT_EQ(byte_character('a'), "a");
  EXPECT_FALSE(spelt_bytes("a b").has_value());
}

TEST(LossyUtf8, ReplacesMaximalParts) {
  EXPECT_EQ(lossy_utf8("ok é漢👍"), "ok é漢👍");
  EXPECT_EQ(lossy_utf8("\xFFx\xC3(\xE2\x82"), "\uFFFDx\uFFFD(\uFFFD");
  EXPECT_EQ(lossy_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(lossy_utf8("\xF0\x9F\x91\xF0"), "\uFFFD\uFFFD");
}

// Bytes and the merges "h e", "l l", "he ll", "Ġ w".
std::unique_ptr<Tokenizer> make(BpeOptions options = {}) {
  Vocabulary vocabulary;
  for (int b = 0; b < 256; ++b) vocabulary.add(byte_character(static_cast<uint8_t>(b)), b, "test");
  int32_t next = 256;
  for (const char* token : {"he", "ll", "hell", "Ġw", "hello"}) vocabulary.add(token, next++, "test");
  const Merges merges = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"Ġ", "w"}};
  return make_bpe(options, std::move(vocabulary), merges, {{.id = 261, .content = "<|endoftext|>", .special = true}},
                  nullptr, "test");
}

TEST(Bpe, MergesTheEarliestRuleFirst) {
  auto t = make();
  EXPECT_EQ(t->encode("hello w"), (Ids{258, 'o', 259}));
  EXPECT_EQ(t->encode("lll"), (Ids{257, 'l'}));  // the leftmost of equals
  EXPECT_EQ(t->encode("a<|endoftext|>hell"), (Ids{'a', 261, 258}));
  EXPECT_EQ(t->encode("é"), (Ids{0xC3, 0xA9}));
  EXPECT_EQ(t->vocab_size(), 262);
  EXPECT_EQ(*t->special().eos, 261);
}

TEST(Bpe, OptionsChangeWhatTheySay) {
  EXPECT_EQ(make({.ignore_merges = true})->encode("hello"), (Ids{260}));
  EXPECT_EQ(make({.add_prefix_space = true})->encode("we"), (Ids{259, 'e'}));
  EXPECT_EQ(make({.add_prefix_space = true})->encode(" we"), (Ids{259, 'e'}));
  EXPECT_EQ(make({.use_regex = false})->encode("a we"), (Ids{'a', 259, 'e'}));
}

TEST(Bpe, DecodesBytes) {
  auto t = make();
  EXPECT_EQ(t->decode({258, 'o', 259, 0xC3, 0xA9, 261}, false), "hello wé<|endoftext|>");
  EXPECT_EQ(t->decode({258, 261, 0xC3}, true), "hell\uFFFD");
  EXPECT_THROW(t->decode({262}, true), Error);
}

TEST(Bpe, BytesWithoutATokenAreLeftOutWhereNoneStandsForThem) {
  Vocabulary vocabulary;
  vocabulary.add("a", 0, "test");
  const auto t = make_bpe({}, std::move(vocabulary), {}, {}, nullptr, "test");
  EXPECT_EQ(t->encode("é"), Ids{});  // nothing at all, which is remembered too
  EXPECT_EQ(t->encode("é é a b"), Ids{0});
}

TEST(Bpe, LongPiecesMergeLikeShortOnes) {
  auto t = make();
  Ids expected;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "hello", expected.insert(expected.end(), {258, 'o'});
  EXPECT_EQ(t->encode(text), expected);  // one piece of 100 kB
}

TEST(BpeMergeTable, HeapAndScanAgree) {
  // Random rules over four symbols, applied to sequences below and above the length where the method changes.
  BpeMergeTable table(24);
  uint32_t state = 1;
  auto random = [&](uint32_t n) {
    return (state = state * 1664525u + 1013904223u) >> 16 & 0xFFFF ? (state >> 16) % n : 0;
  };
  std::vector<std::pair<int32_t, int32_t>> rules;
  for (int32_t merged = 4; merged < 28; ++merged) {
    rules.emplace_back(random(static_cast<uint32_t>(merged)), random(static_cast<uint32_t>(merged)));
    table.set(rules.back().first, rules.back().second, static_cast<uint32_t>(rules.size()), merged);
  }
  for (size_t length : {1u, 2u, 63u, 64u, 65u, 300u}) {
    Ids ids(length);
    for (auto& id : ids) id = static_cast<int32_t>(random(4));
    // By definition: the present pair of lowest rank, its leftmost place, again and again.
    Ids expected = ids;
    for (;;) {
      size_t best = expected.size();
      uint32_t rank = UINT32_MAX;
      for (size_t i = 0; i + 1 < expected.size(); ++i)
        if (const auto* rule = table.find(expected[i], expected[i + 1]); rule && rule->rank < rank)
          rank = rule->rank, best = i;
      if (best == expected.size()) break;
      expected[best] = table.find(expected[best], expected[best + 1])->merged;
      expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    table.apply(ids);
    EXPECT_EQ(ids, expected) << length;
  }
}

}  // namespace
}  // namespace saobp::text
