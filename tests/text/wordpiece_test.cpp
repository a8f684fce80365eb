#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/text/normalizer.h"
#include "saobp/text/trainer.h"
#include "saobp/text/wordpiece.h"

namespace saobp::text {
namespace {

using Ids = std::vector<int32_t>;

std::unique_ptr<Tokenizer> make(const std::vector<std::string>& tokens, const WordPieceOptions& options = {}) {
  Vocabulary vocabulary;
  for (const auto& token : tokens) vocabulary.add(token, vocabulary.end(), "test");
  std::vector<AddedToken> added;
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    if (auto id = vocabulary.id(name)) added.push_back({.id = *id, .content = name, .special = true});
  io::Json post = bert_post_processor(vocabulary);
  return make_wordpiece(options, std::move(vocabulary), std::move(added), std::move(post), "test");
}

const std::vector<std::string> kTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un",  "##aff", "##able",
                                          "##a",   "a",     "!",     "漢",    "hello",  "##s", "i",     "σ"};

TEST(WordPiece, TakesTheLongestPieceEachTime) {
  auto t = make(kTokens);
  EXPECT_EQ(t->encode("unaffable"), (Ids{5, 6, 7}));
  EXPECT_EQ(t->encode("Hellos hello"), (Ids{12, 13, 12}));
  EXPECT_EQ(t->encode("aaa"), (Ids{9, 8, 8}));
}

TEST(WordPiece, OneMissingPieceMakesTheWholeWordUnknown) {
  auto t = make(kTokens);
  EXPECT_EQ(t->encode("unaffablez hello"), (Ids{1, 12}));
  EXPECT_EQ(t->encode("xyz"), (Ids{1}));
}

TEST(WordPiece, CountsCharactersNotBytesOfLongWords) {
  auto t = make(kTokens);
  EXPECT_EQ(t->encode(std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(t->encode(std::string(101, 'a')), (Ids{1}));
  EXPECT_EQ(t->encode(std::string(100'000, 'a')), (Ids{1}));
  std::string accented;
  for (int i = 0; i < 100; ++i) accented += "á";  // 200 bytes, 100 characters; bare once normalised
  EXPECT_EQ(t->encode(accented).size(), 100u);
}

TEST(WordPiece, SetsPunctuationAndIdeographsApart) {
  auto t = make(kTokens);
  EXPECT_EQ(t->encode("hello!!漢hello漢"), (Ids{12, 10, 10, 11, 12, 11}));
  EXPECT_EQ(t->encode(""), Ids{});
  EXPECT_EQ(t->encode(" \t\r\n "), Ids{});
}

TEST(WordPiece, RecognisesSpecialTokensInText) {
  auto t = make(kTokens);
  EXPECT_EQ(t->encode("hello[MASK]a [SEP]"), (Ids{12, 4, 9, 3}));
  EXPECT_EQ(t->encode("[mask"), (Ids{1, 1}));
  EXPECT_EQ(*t->special().mask, 4);
  EXPECT_EQ(*t->special().pad, 0);
  EXPECT_FALSE(t->special().eos.has_value());
}

TEST(WordPiece, DecodesWithoutSpacesBeforePunctuation) {
  auto t = make(kTokens);
  EXPECT_EQ(t->decode({2, 5, 6, 7, 10, 3}, false), "[CLS] unaffable! [SEP]");
  EXPECT_EQ(t->decode({2, 5, 6, 7, 10, 3}, true), "unaffable!");
  EXPECT_EQ(t->decode({13, 13}, true), "##ss");
  EXPECT_THROW(t->decode({16}, true), Error);
  EXPECT_THROW(t->decode({-1}, true), Error);
}

TEST(WordPiece, RefusesInvalidUtf8AndVocabulariesWithoutUnk) {
  auto t = make(kTokens);
  try {
    t->encode("ok\nno \xC3(");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("line 2, byte offset 6"), std::string::npos) << e.what();
  }
  EXPECT_THROW(make({"a", "b"}), Error);
}

TEST(BertNormalizer, HandlesTheOddCharacters) {
  const BertNormalizer n({});
  EXPECT_EQ(n.normalize(std::string("a\0b\x01\uFFFD\u00ADc", 10)), "abc");
  EXPECT_EQ(n.normalize("\u00A0\u3000\u2028\t"), "    ");
  EXPECT_EQ(n.normalize("\u0085|\u200B|\u200F"), "||");  // control and format characters go, U+0085 too
  EXPECT_EQ(n.normalize("İIıΣΑΣ"), "iiıσασ");            // dot above is a mark; no final sigma
  EXPECT_EQ(n.normalize("ßẞǅﬀ"), "ßßǆﬀ");
  EXPECT_EQ(n.normalize("각"), "\u1100\u1161\u11A8");
  EXPECT_EQ(n.normalize("豈"), " 豈 ");  // U+F900 decomposes to U+8C48
  EXPECT_EQ(n.normalize("e\u0301\u0327x"), "ex");
  EXPECT_EQ(n.normalize("\u302E\U0001D165"), "\U0001D165\u302E");  // kept marks: classes 224 and 216 change places
  const BertNormalizer cased({.strip_accents = false, .lowercase = false});
  EXPECT_EQ(cased.normalize("Éİ"), "Éİ");
  const BertNormalizer lower({.strip_accents = false, .lowercase = true});
  EXPECT_EQ(lower.normalize("Éİ"), "éi\u0307");
}

TEST(BertNormalizer, GrowsItsBufferForTextThatGetsLonger) {
  const BertNormalizer n({});
  std::string hangul, jamo;
  for (int i = 0; i < 5000; ++i) hangul += "각a", jamo += "\u1100\u1161\u11A8a";
  std::string out = "what was here before";
  n.normalize(hangul, out);
  EXPECT_EQ(out, jamo);
}

TEST(WordPieceTrainer, MergesTheMostFrequentPairFirst) {
  // hug 10, pug 5, pun 12, bun 4, hugs 5: (##u ##g) 20 before (##u ##n) 16, then (h ##ug) 15.
  std::string text;
  auto add = [&](const char* word, int count) {
    for (int i = 0; i < count; ++i) text.append(word).append(" ");
  };
  add("hug", 10), add("pug", 5), add("pun", 12), add("bun", 4), add("hugs", 5);
  TrainerOptions options;
  const int64_t alphabet = 5 + 7 + 4;  // specials; b g h n p s u; ##g ##n ##s ##u
  options.vocab_size = alphabet + 3;
  auto t = train_tokenizer(options, {text});
  EXPECT_EQ(t->vocab_size(), options.vocab_size);
  EXPECT_EQ(t->token(static_cast<int32_t>(alphabet)), "##ug");
  EXPECT_EQ(t->token(static_cast<int32_t>(alphabet) + 1), "##un");
  EXPECT_EQ(t->token(static_cast<int32_t>(alphabet) + 2), "hug");
  EXPECT_EQ(t->encode("hugs bug"),
            (Ids{static_cast<int32_t>(alphabet) + 2, *t->id("##s"), *t->id("b"), *t->id("##ug")}));
}

TEST(WordPieceTrainer, SaysWhatIsWrong) {
  TrainerOptions options;
  EXPECT_THROW(train_tokenizer(options, {" \n "}), Error);
  options.vocab_size = 6;
  EXPECT_THROW(train_tokenizer(options, {"some words here"}), Error);
  EXPECT_THROW(train_tokenizer({}, {"bad \xFF"}), Error);
  options = {};
  options.special_tokens = {"[PAD]"};
  EXPECT_THROW(make_trainer(options), UsageError);
}

TEST(WordPieceTrainer, RareCharactersAndPairsStayOut) {
  TrainerOptions options;
  options.limit_alphabet = 2;
  auto t = train_tokenizer(options, {"aaa bbb aab abb z"});
  EXPECT_FALSE(t->id("z").has_value());
  EXPECT_EQ(t->encode("z"), (Ids{1}));
  options = {};
  options.min_frequency = 3;
  t = train_tokenizer(options, {"xy xy"});
  EXPECT_FALSE(t->id("xy").has_value());
}

}  // namespace
}  // namespace saobp::text
