#include "saobp/text/pair_merger.h"

#include <gtest/gtest.h>

#include "saobp/io/error.h"
#include "saobp/text/batch.h"
#include "saobp/text/trainer.h"

namespace saobp::text {
namespace {

using Pairs = std::vector<PairMerger::Pair>;

// Words of one-letter symbols.
void add(PairMerger& merger, const std::string& word, int64_t count) {
  std::vector<int32_t> symbols;
  for (char c : word) symbols.push_back(merger.intern(std::string(1, c)));
  merger.add_word(symbols, count);
}

PairMerger with_letters(const std::string& letters) {
  PairMerger merger;
  for (char c : letters) merger.intern(std::string(1, c));
  return merger;
}

TEST(PairMerger, SmallerIdsGoFirstAmongEquals) {
  PairMerger merger = with_letters("abcd");
  add(merger, "cd", 3), add(merger, "ba", 3), add(merger, "ab", 3);
  merger.merge_until(100, 1);
  EXPECT_EQ(merger.merges(), (Pairs{{0, 1}, {1, 0}, {2, 3}}));
}

TEST(PairMerger, CountsOverlappingPairsOnce) {
  PairMerger merger = with_letters("a");
  add(merger, "aaaaa", 1);  // aa aa a: (aa a) before (aa aa)
  merger.merge_until(100, 1);
  EXPECT_EQ(merger.tokens(), (std::vector<std::string>{"a", "aa", "aaa", "aaaaa"}));
}

TEST(PairMerger, StopsAtTheFrequencyAndTheSize) {
  PairMerger merger = with_letters("abc");
  add(merger, "ab", 5), add(merger, "bc", 2);
  merger.merge_until(100, 3);
  EXPECT_EQ(merger.merges(), (Pairs{{0, 1}}));
  PairMerger full = with_letters("abc");
  add(full, "ab", 5), add(full, "bc", 2);
  full.merge_until(4, 1);
  EXPECT_EQ(full.merges(), (Pairs{{0, 1}}));
}

TEST(PairMerger, TokensMadeInTwoWaysAreOne) {
  // "abc" is there from the start, so that merging "a bc" makes no new token.
  PairMerger merger = with_letters("abcx");
  merger.intern("abc");
  add(merger, "abc", 5), add(merger, "bc", 4);
  merger.merge_until(100, 1);
  EXPECT_EQ(merger.tokens().size(), 6u);    // a b c x abc bc
  EXPECT_EQ(merger.tokens().back(), "bc");  // 9 times, ab only 5
  EXPECT_EQ(merger.merges(), (Pairs{{1, 2}, {0, 5}}));
}

TEST(PairMerger, DropsThePrefixOfTheRightPiece) {
  PairMerger merger("##");
  const std::vector<int32_t> word = {merger.intern("u"), merger.intern("##n"), merger.intern("##s")};
  merger.add_word(word, 2);
  merger.merge_until(100, 1);
  EXPECT_EQ(merger.tokens().back(), "uns");
}

TEST(BpeTrainer, NumbersSpecialTokensBytesAndMerges) {
  auto t = train_tokenizer({.kind = TokenizerKind::bpe, .vocab_size = 259}, {"the then the\n"});
  EXPECT_EQ(t->token(0), "<|endoftext|>");
  EXPECT_EQ(t->token(1), "!");
  EXPECT_EQ(t->token(256), "Ń");  // the last character of the alphabet stands for byte 0xAD
  EXPECT_EQ(t->token(257), "he");
  EXPECT_EQ(t->token(258), "the");
  EXPECT_EQ(t->special().eos, 0);
}

TEST(BpeTrainer, ThreadsAndOrderDoNotShow) {
  std::string one, two;
  for (int i = 0; i < 40'000; ++i) one += "word" + std::to_string(i % 977) + (i % 7 ? " " : "\n");
  for (int i = 0; i < 30'000; ++i) two += std::to_string(i * i % 1013) + (i % 5 ? "é " : "\n");
  const TrainerOptions options{.kind = TokenizerKind::bpe, .vocab_size = 600};
  auto trainer = make_trainer(options, 3);
  trainer->add(two, "two"), trainer->add(one, "one");
  EXPECT_EQ(trainer->train()->to_json(), train_tokenizer(options, {one, two})->to_json());
}

TEST(BpeTrainer, SaysWhatIsWrong) {
  const TrainerOptions bpe{.kind = TokenizerKind::bpe};
  EXPECT_THROW(train_tokenizer(bpe, {""}), Error);
  EXPECT_THROW(train_tokenizer(bpe, {"bad \xFF"}), Error);
  EXPECT_THROW(train_tokenizer({.kind = TokenizerKind::bpe, .vocab_size = 256}, {"text"}), Error);
  EXPECT_THROW(make_trainer({.vocab_size = 0}), UsageError);
  EXPECT_THROW(make_trainer({.special_tokens = {""}}), UsageError);
}

}  // namespace
}  // namespace saobp::text
