// Rows for causal language modelling, and documents that are kept apart.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "fake_tokenizer.h"
#include "saobp/data/rows.h"

namespace saobp::data {
namespace {

using Ids = std::vector<int64_t>;
constexpr int64_t kEnd = 1004;  // <|endoftext|>

int64_t w(int64_t number) { return FakeTokenizer::kFirst + number; }

class CausalRows : public testing::Test {
 protected:
  void SetUp() override { tokenizer_.special_.eos = static_cast<int32_t>(kEnd); }
  Corpus corpus(const std::vector<std::string>& texts, const std::string& suffix = "", double holdout = 0) {
    CorpusOptions options;
    options.cache = folder_ / "cache";
    options.holdout = holdout;
    for (size_t i = 0; i < texts.size(); ++i)
      options.corpus.push_back(folder_.write(concat("t", i, ".txt"), texts[i]) + suffix);
    return Corpus(options, tokenizer_);
  }
  static RowFormat causal(int64_t length, bool pack) {
    return {.length = length, .pack = pack, .masking = std::nullopt};
  }
  Batch all_rows(const Corpus& corpus, const RowFormat& format) {
    ValidationRows rows(corpus, tokenizer_, format);
    return rows.batch(0, static_cast<int64_t>(rows.rows()));
  }
  TempFolder folder_;
  FakeTokenizer tokenizer_;
};

// Documents of 1 … 9 words, every word different from all others.
std::string sample_text(int documents, int first = 0) {
  std::string text;
  for (int i = 0, word = first; i < documents; ++i, text += "\n\n")
    for (int k = 0; k <= i % 9; ++k) text += concat(word++, " ");
  return text;
}

TEST_F(CausalRows, AreTheStreamWithTheNextIdAsTarget) {
  auto text = corpus({"1 2 3\n\n4\n\n5 6", "7 8"});
  const auto batch = all_rows(text, causal(4, true));
  // <end> 1 2 3 <end> 4 <end> 5 6 <end> 7 8 <end>
  EXPECT_EQ(batch.rows, 3);
  EXPECT_EQ(batch.length, 4);
  EXPECT_EQ(batch.input_ids, (Ids{kEnd, w(1), w(2), w(3), kEnd, w(4), kEnd, w(5), w(6), kEnd, w(7), w(8)}));
  EXPECT_EQ(batch.targets, (Ids{w(1), w(2), w(3), kEnd, w(4), kEnd, w(5), w(6), kEnd, w(7), w(8), kEnd}));
  EXPECT_EQ(batch.labels(), batch.targets);
  EXPECT_FALSE(batch.padded);
  EXPECT_EQ(batch.attention_mask, std::vector<uint8_t>(12, 1));
}

TEST_F(CausalRows, TheLastRowOfTheTextHasPadding) {
  const auto batch = all_rows(corpus({"1 2 3\n\n4"}), causal(5, true));
  EXPECT_EQ(batch.input_ids, (Ids{kEnd, w(1), w(2), w(3), kEnd, w(4), kEnd, kEnd, kEnd, kEnd}));
  EXPECT_EQ(batch.labels(), (Ids{w(1), w(2), w(3), kEnd, w(4), kEnd, -100, -100, -100, -100}));
  EXPECT_EQ(batch.attention_mask, (std::vector<uint8_t>{1, 1, 1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(batch.positions, (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_TRUE(batch.padded);
}

TEST_F(CausalRows, DocumentsKeptApartBeginARow) {
  const auto batch = all_rows(corpus({"1 2 3\n\n4\n\n5 6"}), causal(3, false));
  EXPECT_EQ(batch.rows, 4);
  EXPECT_EQ(batch.input_ids, (Ids{kEnd, w(1), w(2), w(3), kEnd, kEnd, kEnd, w(4), kEnd, kEnd, w(5), w(6)}));
  EXPECT_EQ(batch.labels(), (Ids{w(1), w(2), w(3), kEnd, -100, -100, w(4), kEnd, -100, w(5), w(6), kEnd}));
  EXPECT_EQ(batch.attention_mask, (std::vector<uint8_t>{1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1}));
}

TEST_F(CausalRows, MaskedRowsOfDocumentsKeptApart) {
  auto batch = all_rows(corpus({"1 2 3\n\n4\n\n5 6"}), {.length = 4, .pack = false});
  for (size_t i = 0; i < batch.positions.size(); ++i)
    batch.input_ids[static_cast<size_t>(batch.positions[i])] = batch.targets[i];
  constexpr int64_t kCls = FakeTokenizer::kCls, kSep = FakeTokenizer::kSep, kPad = FakeTokenizer::kPad;
  EXPECT_EQ(batch.input_ids,
            (Ids{kCls, w(1), w(2), kSep, kCls, w(3), kSep, kPad, kCls, w(4), kSep, kPad, kCls, w(5), w(6), kSep}));
  EXPECT_EQ(batch.attention_mask, (std::vector<uint8_t>{1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1}));
}

// Both ways an epoch predicts every id of every document exactly once, each after the one before it.
TEST_F(CausalRows, AnEpochPredictsEachIdOnce) {
  auto text = corpus({sample_text(60), sample_text(60, 500)});
  std::map<int64_t, int64_t> before;
  for (size_t i = 0; i < 2; ++i)
    for (Document ids : text.documents(i, Part::all))
      for (size_t k = 0; k < ids.size(); ++k) before[ids[k]] = k > 0 ? ids[k - 1] : kEnd;
  for (bool pack : {true, false}) {
    TrainingRows rows(text, tokenizer_, causal(7, pack), 3);
    const auto n = rows.rows_per_epoch();
    if (pack) {
      EXPECT_EQ(n, (text.tokens() + text.documents()) / 7);
    }
    std::vector<Ids> epochs;
    for (int epoch = 0; epoch < 2; ++epoch) {
      const auto batch = rows.next(static_cast<int64_t>(n));
      std::map<int64_t, int> seen;
      for (size_t i = 0; i < batch.targets.size(); ++i) {
        const int64_t target = batch.targets[i];
        ++seen[target];
        if (target == kEnd) continue;
        EXPECT_EQ(batch.input_ids[static_cast<size_t>(batch.positions[i])], before.at(target));
      }
      const auto ends = static_cast<uint64_t>(seen.extract(kEnd).mapped());
      for (const auto& [id, count] : seen) EXPECT_EQ(count, 1) << id;
      EXPECT_GE(seen.size() + ends + (pack ? 6 : 0), text.tokens() + text.documents());
      if (!pack) {
        EXPECT_EQ(ends, text.documents());
      }
      epochs.push_back(batch.input_ids);
    }
    EXPECT_NE(epochs[0], epochs[1]);
  }
}

TEST_F(CausalRows, SeekIsWhatSequentialReadingGives) {
  for (const char* suffix : {"", ":2"})
    for (bool pack : {true, false}) {
      auto text = corpus({sample_text(40), sample_text(30, 500)}, suffix);
      TrainingRows sequential(text, tokenizer_, causal(7, pack), 5), jumping(text, tokenizer_, causal(7, pack), 5);
      std::vector<Batch> batches;
      for (int i = 0; i < 60; ++i) batches.push_back(sequential.next(4));
      for (size_t i : {59, 0, 13, 14, 40}) {
        jumping.seek(4 * i);
        const auto batch = jumping.next(4);
        EXPECT_EQ(batch.input_ids, batches[i].input_ids);
        EXPECT_EQ(batch.targets, batches[i].targets);
      }
    }
}

TEST_F(CausalRows, TrainingAndValidationShareNoDocument) {
  for (const char* suffix : {"", ":2"})
    for (bool pack : {true, false}) {
      auto text = corpus({sample_text(60), sample_text(60, 500)}, suffix, 0.2);
      TrainingRows training(text, tokenizer_, causal(7, pack), 3);
      ValidationRows validation(text, tokenizer_, causal(7, pack), Part::held_out);
      EXPECT_GT(validation.documents(), 5u);
      auto words = [](const Batch& batch) {
        std::set<int64_t> words;
        for (const auto* ids : {&batch.input_ids, &batch.targets})
          for (int64_t id : *ids)
            if (id >= w(0) && id != kEnd) words.insert(id);
        return words;
      };
      const auto held = words(validation.batch(0, static_cast<int64_t>(validation.rows())));
      for (int64_t word : words(training.next(3 * static_cast<int64_t>(training.rows_per_epoch()))))
        EXPECT_FALSE(held.count(word)) << word;
    }
}

TEST_F(CausalRows, ErrorsSayWhatIsMissing) {
  auto text = corpus({"1 2 3"});
  EXPECT_EQ(error_of([&] { TrainingRows(text, tokenizer_, causal(0, true), 0); }),
            "usage: a row of length 0 has no room for text; at least 1 is needed");
  EXPECT_EQ(error_of([&] { TrainingRows(text, tokenizer_, causal(5, true), 0); }),
            "the corpus: its 4 tokens do not fill one row, which takes 5; more text or a smaller length is needed");
  EXPECT_EQ(TrainingRows(text, tokenizer_, causal(5, false), 0).rows_per_epoch(), 1u);
  EXPECT_EQ(error_of([&] { ValidationRows(text, tokenizer_, causal(5, true), Part::held_out); }),
            "the corpus: of its 1 document none is held out; a larger --holdout or shorter documents (--document) are "
            "needed");
  tokenizer_.special_.eos.reset();
  TrainingRows(text, tokenizer_, causal(2, true), 0);  // [SEP] ends a text where there is no <|endoftext|>
  tokenizer_.special_.sep.reset();
  EXPECT_EQ(error_of([&] { TrainingRows(text, tokenizer_, causal(2, true), 0); }),
            "the vocabulary has neither <|endoftext|> nor [SEP]; causal language modelling needs one of them between "
            "documents");
}

}  // namespace
}  // namespace saobp::data
