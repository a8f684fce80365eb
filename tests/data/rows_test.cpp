#include "saobp/data/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "fake_tokenizer.h"

namespace saobp::data {
namespace {

using Ids = std::vector<int32_t>;
constexpr int32_t kCls = FakeTokenizer::kCls, kSep = FakeTokenizer::kSep, kPad = FakeTokenizer::kPad;

int32_t w(int32_t number) { return FakeTokenizer::kFirst + number; }

// Row `i` of a batch with the masked tokens put back.
Ids unmasked(const Batch& batch, int64_t i) {
  std::vector<int64_t> ids = batch.input_ids;
  for (size_t k = 0; k < batch.positions.size(); ++k) ids[batch.positions[k]] = batch.targets[k];
  return Ids(ids.begin() + i * batch.length, ids.begin() + (i + 1) * batch.length);
}

bool same(const Batch& a, const Batch& b) {
  return a.rows == b.rows && a.length == b.length && a.input_ids == b.input_ids && a.positions == b.positions &&
         a.targets == b.targets && a.attention_mask == b.attention_mask && a.padded == b.padded;
}

class Rows : public testing::Test {
 protected:
  Corpus corpus(const std::vector<std::string>& texts, const std::vector<std::string>& suffixes = {}) {
    CorpusOptions options;
    options.cache = folder_ / "cache";
    for (size_t i = 0; i < texts.size(); ++i) {
      options.corpus.push_back(folder_.write(concat("t", i, ".txt"), texts[i]));
      if (!suffixes.empty()) options.corpus.back() += suffixes[i];
    }
    return Corpus(options, tokenizer_);
  }
  TrainingRows training(const Corpus& corpus, int64_t length, uint64_t seed) {
    return TrainingRows(corpus, tokenizer_, {.length = length}, seed);
  }
  ValidationRows validation(const Corpus& corpus, int64_t length, uint64_t limit = 0) {
    return ValidationRows(corpus, tokenizer_, {.length = length}, Part::all, limit);
  }
  TempFolder folder_;
  FakeTokenizer tokenizer_;
};

// `documents` documents of 1 … 9 words, all words different as long as there are fewer than 1000.
std::string sample_text(int documents, int first = 0) {
  std::string text;
  int word = first;
  for (int i = 0; i < documents; ++i) {
    for (int k = 0; k <= i % 9; ++k) text += concat(word++ % 1000, " ");
    text += "\n\n";
  }
  return text;
}

TEST_F(Rows, ValidationIsThePackedTextInOrder) {
  auto text = corpus({"1 2 3\n\n4\n\n5 6", "7 8 9 10"});
  auto rows = validation(text, 6);
  // 1 2 3 | 4 | 5 6 | 7 8 9 10 with partings is 13 ids: three rows of four and one id more.
  ASSERT_EQ(rows.rows(), 4u);
  auto batch = rows.batch(0, 10);
  ASSERT_EQ(batch.rows, 4);
  EXPECT_EQ(batch.length, 6);
  EXPECT_EQ(unmasked(batch, 0), (Ids{kCls, w(1), w(2), w(3), kSep, kSep}));
  EXPECT_EQ(unmasked(batch, 1), (Ids{kCls, w(4), kSep, w(5), w(6), kSep}));
  EXPECT_EQ(unmasked(batch, 2), (Ids{kCls, kSep, w(7), w(8), w(9), kSep}));
  EXPECT_EQ(unmasked(batch, 3), (Ids{kCls, w(10), kSep, kPad, kPad, kPad}));
  EXPECT_TRUE(batch.padded);
  EXPECT_EQ(std::vector<uint8_t>(batch.attention_mask.begin() + 18, batch.attention_mask.end()),
            (std::vector<uint8_t>{1, 1, 1, 0, 0, 0}));
  EXPECT_EQ(std::count(batch.attention_mask.begin(), batch.attention_mask.end(), 0), 3);
  EXPECT_FALSE(rows.batch(0, 3).padded);
  EXPECT_EQ(rows.batch(4, 3).rows, 0);
  EXPECT_EQ(validation(text, 6, 2).rows(), 2u);
  EXPECT_EQ(validation(text, 6, 9).rows(), 4u);
}

TEST_F(Rows, ATextThatFillsItsRowsHasNoTail) {
  auto text = corpus({"1 2\n\n3"});
  EXPECT_EQ(validation(text, 4).rows(), 2u);
  EXPECT_EQ(validation(text, 6).rows(), 1u);
  EXPECT_FALSE(validation(text, 6).batch(0, 1).padded);
  EXPECT_EQ(validation(text, 100).rows(), 1u);
  EXPECT_EQ(validation(text, 3).rows(), 4u);
}

TEST_F(Rows, ValidationMasksAreTheSameForEveryBatchSize) {
  auto text = corpus({sample_text(100)});
  auto rows = validation(text, 16);
  auto whole = rows.batch(0, 1000);
  Batch joined;
  for (uint64_t i = 0; i < rows.rows(); i += 3) {
    auto part = validation(text, 16).batch(i, 3);
    for (auto at : part.positions) joined.positions.push_back(at + static_cast<int64_t>(i) * 16);
    joined.input_ids.insert(joined.input_ids.end(), part.input_ids.begin(), part.input_ids.end());
    joined.targets.insert(joined.targets.end(), part.targets.begin(), part.targets.end());
  }
  EXPECT_EQ(joined.positions, whole.positions);
  EXPECT_EQ(joined.targets, whole.targets);
  EXPECT_EQ(joined.input_ids, whole.input_ids);
  EXPECT_GE(whole.positions.size(), rows.rows());
}

// Each epoch must be a packing of all documents in some order, its rows each drawn once.
TEST_F(Rows, AnEpochIsAPackingOfAllDocumentsInNewOrder) {
  auto text = corpus({sample_text(60), sample_text(60, 300)});
  auto rows = training(text, 12, 5);
  const auto n = static_cast<int64_t>(rows.rows_per_epoch());
  ASSERT_EQ(n, static_cast<int64_t>((text.tokens() + text.documents() - 1) / 10));
  std::map<int32_t, int32_t> next;  // within a document
  std::set<int32_t> first, last;
  for (const auto& source : text.sources())
    for (uint64_t i = 0; i < source.tokens.documents(); ++i) {
      auto ids = source.tokens.document(i);
      first.insert(ids.front()), last.insert(ids.back());
      for (size_t k = 0; k + 1 < ids.size(); ++k) next[ids[k]] = ids[k + 1];
    }
  std::vector<std::vector<Ids>> epochs;
  for (int epoch = 0; epoch < 2; ++epoch) {
    auto batch = rows.next(n);
    std::map<int32_t, int> seen;
    epochs.emplace_back();
    for (int64_t r = 0; r < n; ++r) {
      Ids row = unmasked(batch, r);
      EXPECT_EQ(row.front(), kCls);
      EXPECT_EQ(row.back(), kSep);
      for (size_t k = 1; k + 1 < row.size(); ++k) {
        if (row[k] != kSep) ++seen[row[k]];
        if (k + 2 == row.size()) continue;
        if (row[k] == kSep)
          EXPECT_TRUE(first.count(row[k + 1])) << row[k + 1];
        else if (row[k + 1] == kSep)
          EXPECT_TRUE(last.count(row[k])) << row[k];
        else
          EXPECT_EQ(next.at(row[k]), row[k + 1]);
      }
      epochs.back().push_back(row);
    }
    for (const auto& [id, count] : seen) EXPECT_EQ(count, 1) << id;
    EXPECT_GE(seen.size() + 10, text.tokens());  // all but the dropped tail
  }
  EXPECT_NE(epochs[0], epochs[1]);
  std::sort(epochs[0].begin(), epochs[0].end()), std::sort(epochs[1].begin(), epochs[1].end());
  EXPECT_NE(epochs[0], epochs[1]);  // not merely drawn in another order: packed anew
}

TEST_F(Rows, RowsAreNotDrawnInTheOrderOfTheText) {
  // One long document: without a random order of rows, neighbours in the text would be neighbours in the batch.
  std::string text;
  for (int i = 0; i < 1000; ++i) text += concat(i, " ");
  auto batch = training(corpus({text}), 12, 1).next(100);
  int neighbours = 0;
  for (int64_t r = 0; r + 1 < 100; ++r) neighbours += unmasked(batch, r)[10] + 1 == unmasked(batch, r + 1)[1];
  EXPECT_LE(neighbours, 8);  // 1 expected
}

TEST_F(Rows, SeekIsWhatSequentialReadingGives) {
  for (const auto& suffixes : {std::vector<std::string>{"", ""}, std::vector<std::string>{":1", ":3"}}) {
    auto text = corpus({sample_text(50), sample_text(30, 500)}, suffixes);
    auto sequential = training(text, 10, 9);
    std::vector<Batch> batches;
    for (int i = 0; i < 40; ++i) batches.push_back(sequential.next(4));  // several epochs
    EXPECT_EQ(sequential.position(), 160u);
    auto jumping = training(text, 10, 9);
    for (int i : {0, 39, 3, 4, 20, 38, 1}) {
      jumping.seek(static_cast<uint64_t>(i) * 4);
      EXPECT_EQ(jumping.position(), static_cast<uint64_t>(i) * 4);
      EXPECT_TRUE(same(jumping.next(4), batches[i])) << i;
    }
    // Row n does not depend on the batch that it is in.
    jumping.seek(0);
    auto all = jumping.next(160);
    std::vector<int64_t> joined;
    for (const auto& batch : batches) joined.insert(joined.end(), batch.input_ids.begin(), batch.input_ids.end());
    EXPECT_EQ(all.input_ids, joined);
  }
}

TEST_F(Rows, SeedsDifferAndRepeat) {
  auto text = corpus({sample_text(100)});
  auto first = training(text, 16, 1).next(20);
  EXPECT_TRUE(same(first, training(text, 16, 1).next(20)));
  EXPECT_FALSE(same(first, training(text, 16, 2).next(20)));
}

TEST_F(Rows, WeightsAreSharesOfTheRows) {
  // The first source has words below 500, the second the others; the second is the longer one.
  auto text = corpus({sample_text(20), sample_text(100, 500)}, {":3", ":1"});
  constexpr int n = 4000;
  auto rows = training(text, 8, 3);
  auto batch = rows.next(n);
  std::vector<Ids> of_first, of_second;
  for (int64_t r = 0; r < n; ++r) {
    auto row = unmasked(batch, r);
    auto word = *std::find_if(row.begin(), row.end(), [](int32_t id) { return id >= w(0); });
    (word < w(500) ? of_first : of_second).push_back(row);
  }
  EXPECT_NEAR(static_cast<double>(of_first.size()), 0.75 * n, 5 * std::sqrt(n * 0.75 * 0.25));
  // Each source goes through its own epochs without repetition.
  const size_t epoch = rows.rows_per_epoch() - training(corpus({sample_text(20)}), 8, 3).rows_per_epoch();
  std::set<Ids> different(of_second.begin(), of_second.begin() + static_cast<std::ptrdiff_t>(epoch));
  EXPECT_EQ(different.size(), epoch);
}

TEST_F(Rows, WithoutWeightsAllRowsCountAlike) {
  auto text = corpus({sample_text(20), sample_text(60, 500)});
  auto rows = training(text, 8, 3);
  auto batch = rows.next(static_cast<int64_t>(rows.rows_per_epoch()));
  std::map<int32_t, int> seen;
  for (int64_t r = 0; r < batch.rows; ++r)
    for (int32_t id : unmasked(batch, r))
      if (id >= w(0)) ++seen[id];
  for (const auto& [id, count] : seen) EXPECT_EQ(count, 1);
  EXPECT_GE(seen.size() + 6, text.tokens());
}

TEST_F(Rows, ErrorsSayWhatIsMissing) {
  auto text = corpus({"1 2 3"});
  EXPECT_EQ(error_of([&] { training(text, 2, 0); }),
            "usage: a row of length 2 has no room between [CLS] and [SEP]; at least 3 is needed");
  EXPECT_EQ(error_of([&] { validation(text, -5); }),
            "usage: a row of length -5 has no room between [CLS] and [SEP]; at least 3 is needed");
  EXPECT_EQ(error_of([&] { training(text, 6, 0); }),
            "the corpus: its 3 tokens do not fill one row, which takes 4; more text or a smaller length is needed");
  EXPECT_EQ(error_of([&] { validation(corpus({"1 2 3"}, {":2"}), 4); }),
            "usage: text to validate on has weights; every row of it is read once, so give none");
  tokenizer_.special_.mask.reset();
  EXPECT_EQ(error_of([&] { training(text, 4, 0); }),
            "the vocabulary has no [MASK]; masked-language modelling needs [CLS], [SEP], [MASK] and [PAD]");
  tokenizer_.special_.pad.reset();
  EXPECT_EQ(error_of([&] { validation(text, 4); }),
            "the vocabulary has no [MASK], [PAD]; masked-language modelling needs [CLS], [SEP], [MASK] and [PAD]");
}

}  // namespace
}  // namespace saobp::data
