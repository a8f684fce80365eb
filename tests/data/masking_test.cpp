#include "saobp/data/masking.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fake_tokenizer.h"

namespace saobp::data {
namespace {

using Ids = std::vector<int32_t>;
using Fake = FakeTokenizer;

// [CLS] w [UNK] w … [SEP] [PAD]: `words` ordinary tokens among special ones.
Ids sample_row(int words, int first = 0) {
  Ids row{Fake::kCls};
  for (int i = 0; i < words; ++i) {
    row.push_back(Fake::kFirst + (first + i) % Fake::kWords);
    if (i % 10 == 0) row.push_back(Fake::kUnk);
    if (i % 30 == 0) row.push_back(Fake::kSep);
    if (i % 50 == 0) row.push_back(Fake::kMask);
  }
  row.insert(row.end(), {Fake::kSep, Fake::kPad, Fake::kPad});
  return row;
}

// Five standard deviations of a binomial count.
void expect_share(int64_t count, int64_t of, double share) {
  EXPECT_NEAR(static_cast<double>(count), of * share, 5 * std::sqrt(of * share * (1 - share))) << "of " << of;
}

TEST(Masking, FifteenPercentEightyTenTen) {
  TokenRoles roles{Fake()};
  Masker masker({}, roles, 11);
  Batch batch;
  Ids flat;
  constexpr int rows = 400, words = 500;
  for (int i = 0; i < rows; ++i) {
    Ids row = sample_row(words, i * 37);
    masker.append(row, i, batch);
    flat.insert(flat.end(), row.begin(), row.end());
  }
  EXPECT_EQ(batch.rows, rows);
  const auto masked = static_cast<int64_t>(batch.positions.size());
  expect_share(masked, int64_t{rows} * words, 0.15);

  int64_t as_mask = 0, kept = 0, drawn = 0;
  std::vector<int64_t> counts(Fake::kFirst + Fake::kWords);
  std::vector<bool> hidden(flat.size());
  for (int64_t i = 0; i < masked; ++i) {
    const auto at = static_cast<size_t>(batch.positions[i]);
    if (i > 0) {
      EXPECT_LT(batch.positions[i - 1], batch.positions[i]);
    }
    hidden[at] = true;
    EXPECT_EQ(batch.targets[i], flat[at]);
    ASSERT_GE(flat[at], Fake::kFirst) << "a special token was masked";
    const int64_t shown = batch.input_ids[at];
    if (shown == Fake::kMask)
      ++as_mask;
    else if (shown == flat[at])
      ++kept;
    else
      ++drawn, ++counts.at(static_cast<size_t>(shown));
  }
  expect_share(as_mask, masked, 0.8);
  // A random token is the one that was there once in a thousand times.
  expect_share(drawn, masked, 0.1 * (1 - 1.0 / Fake::kWords));
  expect_share(kept, masked, 0.1 * (1 + 1.0 / Fake::kWords));
  // Random tokens: never a special one, all others alike (halves of the vocabulary, and its two ends are drawn).
  int64_t lower = 0;
  for (int id = 0; id < Fake::kFirst; ++id) EXPECT_EQ(counts[id], 0) << id;
  for (int id = Fake::kFirst; id < Fake::kFirst + Fake::kWords / 2; ++id) lower += counts[id];
  expect_share(lower, drawn, 0.5);
  EXPECT_GT(counts[Fake::kFirst], 0);
  EXPECT_GT(counts[Fake::kFirst + Fake::kWords - 1], 0);
  // What is not masked is untouched, and labels say the same as positions and targets.
  const auto labels = batch.labels();
  for (size_t at = 0; at < flat.size(); ++at) {
    EXPECT_EQ(labels[at], hidden[at] ? flat[at] : -100);
    if (!hidden[at]) {
      EXPECT_EQ(batch.input_ids[at], flat[at]);
    }
  }
}

TEST(Masking, EveryPlaceIsMaskedAlike) {
  Masker masker({}, TokenRoles{Fake()}, 1);
  constexpr int rows = 20000, words = 8;
  std::vector<int64_t> counts(words + 2);
  MaskingOptions third;
  third.mask_probability = 1.0 / 3;
  Masker often(third, TokenRoles{Fake()}, 1);
  Ids row{Fake::kCls, 10, 11, 12, 13, 14, 15, 16, 17, Fake::kSep};
  for (int i = 0; i < rows; ++i) {
    Batch batch;
    often.append(row, i, batch);
    ASSERT_GE(batch.positions.size(), 1u);
    for (int64_t at : batch.positions) ++counts[at];
  }
  EXPECT_EQ(counts.front() + counts.back(), 0);
  // With the rows where nothing was drawn, (2/3)^8 of them, giving one place each.
  for (int at = 1; at <= words; ++at) expect_share(counts[at], rows, 1.0 / 3 + std::pow(2.0 / 3, words) / words);
}

TEST(Masking, ARowWithOrdinaryTokensTeachesSomething) {
  MaskingOptions rare;
  rare.mask_probability = 1e-9;
  Masker masker(rare, TokenRoles{Fake()}, 4);
  Batch batch;
  std::vector<int> chosen(4);
  for (int i = 0; i < 300; ++i) {
    masker.append(Ids{Fake::kCls, 20, 21, 22, Fake::kSep}, i, batch);
    ASSERT_EQ(batch.positions.size(), static_cast<size_t>(i + 1));
    ++chosen[batch.positions.back() - i * 5];
  }
  for (int at = 1; at <= 3; ++at) expect_share(chosen[at], 300, 1.0 / 3);
  masker.append(Ids{Fake::kCls, Fake::kUnk, Fake::kSep, Fake::kMask, Fake::kSep}, 300, batch);
  EXPECT_EQ(batch.rows, 301);
  EXPECT_EQ(batch.positions.size(), 300u);
}

TEST(Masking, OnlyPaddingAtTheEndIsPadding) {
  Masker masker({}, TokenRoles{Fake()}, 4);
  Batch batch;
  masker.append(Ids{Fake::kCls, 20, Fake::kPad, 22, Fake::kSep}, 0, batch);
  EXPECT_FALSE(batch.padded);
  EXPECT_EQ(batch.attention_mask, (std::vector<uint8_t>{1, 1, 1, 1, 1}));
  masker.append(Ids{Fake::kCls, 20, Fake::kSep, Fake::kPad, Fake::kPad}, 1, batch);
  EXPECT_TRUE(batch.padded);
  EXPECT_EQ(batch.attention_mask, (std::vector<uint8_t>{1, 1, 1, 1, 1, 1, 1, 1, 0, 0}));
}

TEST(Masking, DependsOnSeedAndRowNumberOnly) {
  TokenRoles roles{Fake()};
  auto masked = [&](uint64_t seed, uint64_t row) {
    Batch batch;
    Masker({}, roles, seed).append(sample_row(100), row, batch);
    return batch.input_ids;
  };
  EXPECT_EQ(masked(1, 5), masked(1, 5));
  EXPECT_NE(masked(1, 5), masked(1, 6));
  EXPECT_NE(masked(1, 5), masked(2, 5));
  // In whatever order and company.
  Batch batch;
  Masker masker({}, roles, 1);
  masker.append(sample_row(100), 9, batch);
  masker.append(sample_row(100), 5, batch);
  EXPECT_EQ(std::vector<int64_t>(batch.input_ids.begin() + batch.length, batch.input_ids.end()), masked(1, 5));
}

TEST(Masking, OtherSharesAndBadOnes) {
  TokenRoles roles{Fake()};
  Batch all_kept, all_masked;
  Masker({1.0, 0.0, 0.0}, roles, 1).append(sample_row(50), 0, all_kept);
  EXPECT_EQ(all_kept.positions.size(), 50u);
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(all_kept.input_ids[all_kept.positions[i]], all_kept.targets[i]);
  Masker({1.0, 1.0, 0.0}, roles, 1).append(sample_row(50), 0, all_masked);
  for (int64_t at : all_masked.positions) EXPECT_EQ(all_masked.input_ids[at], Fake::kMask);

  auto error = [&](MaskingOptions options) { return error_of([&] { Masker(options, roles, 1); }); };
  EXPECT_EQ(error({0, 0.8, 0.1}), "usage: --mask-probability: 0 was given; above 0 and at most 1 was expected");
  EXPECT_EQ(error({NAN, 0.8, 0.1}), "usage: --mask-probability: nan was given; above 0 and at most 1 was expected");
  EXPECT_EQ(error({0.15, 1.1, 0}), "usage: --mask-share: 1.1 was given; a number from 0 to 1 was expected");
  EXPECT_EQ(error({0.15, 0.8, -0.1}), "usage: --random-share: -0.1 was given; a number from 0 to 1 was expected");
  EXPECT_EQ(error({0.15, 0.8, 0.3}), "usage: --mask-share 0.8 and --random-share 0.3 sum to more than 1");
  EXPECT_EQ(error({0.15, 0.9, 0.1}), "no error");
}

}  // namespace
}  // namespace saobp::data
