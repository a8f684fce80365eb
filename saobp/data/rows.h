// Rows of a fixed length for masked-language modelling.
//
// The documents of a stream, parted by one [SEP], are cut into pieces of length − 2 ids; a row is [CLS] piece [SEP].
// Token type is 0 everywhere, there is no next-sentence task. Documents run on from one row to the next.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "saobp/data/corpus.h"
#include "saobp/data/masking.h"
#include "saobp/data/random.h"

namespace saobp::data {

// A running stream of documents cut into rows. The corpus must outlive it.
class PackedStream {
 public:
  // UsageError when length ≤ 2.
  PackedStream(const std::vector<const TokenCache*>& sources, const TokenRoles& roles, int64_t length);

  // The documents in the order of the sources, or (order) in a random one; the number of rows does not depend on it.
  void set_order(std::optional<Random> order);
  // Rows full of tokens, and what is left after them, in ids.
  uint64_t full_rows() const { return ids_ / width_; }
  uint64_t tail_ids() const { return ids_ % width_; }
  // Row i, `length` ids; i = full_rows() is the tail, filled up with [PAD].
  void row(uint64_t i, std::span<int32_t> out) const;

 private:
  std::span<const int32_t> document(size_t place) const { return given_[order_.empty() ? place : order_[place]]; }
  std::vector<std::span<const int32_t>> given_;  // the documents in the order of the sources
  std::vector<uint32_t> order_;                  // place in the stream → index into given_; empty: the same
  std::vector<uint64_t> starts_;                 // of the document at each place, in ids of the stream
  int32_t cls_, sep_, pad_;
  uint64_t width_, ids_ = 0;  // length − 2; ids of the whole stream, partings included
};

// The endless sequence of training rows, numbered from 0. Row n is a function of (corpus, length, seed, n).
//
// Without weights all sources are one stream: in each epoch its documents are put into a new random order, packed, and
// the rows drawn in a random order without repetition; the incomplete last row is dropped. With weights every source is
// a stream of its own with its own epochs, and each row first draws its source with a probability in proportion to
// the weight. Masks are drawn anew for each row number, so a text that comes again is masked differently.
class TrainingRows {
 public:
  // Error when a stream does not fill one row. The corpus must outlive this.
  TrainingRows(const Corpus& corpus, const text::Tokenizer& tokenizer, int64_t length, const MaskingOptions& masking,
               uint64_t seed);

  // The next `rows` rows.
  MaskedBatch next(int64_t rows);
  // Rows handed out so far: all there is to save for resuming exactly.
  uint64_t position() const { return position_; }
  // To any row, forwards or backwards; some nanoseconds a row when there are weights, else free.
  void seek(uint64_t position);
  // Rows that one pass over all sources makes (what an epoch is, without weights).
  uint64_t rows_per_epoch() const;
  int64_t length() const { return length_; }

 private:
  struct Stream {
    PackedStream packed;
    double upto;             // cumulative share of the rows
    uint64_t drawn = 0;      // rows of this stream before position_
    uint64_t epoch = ~0ull;  // whose order is set
    std::vector<uint32_t> row_order;
  };
  size_t stream_of(uint64_t row) const;
  void draw(Stream& stream, size_t index, std::span<int32_t> out);
  std::vector<Stream> streams_;
  Masker masker_;
  uint64_t seed_, position_ = 0;
  int64_t length_;
};

// Text to validate on: every row once, in the order of the text, the last one filled up with [PAD]. The masks are
// drawn from a fixed seed, so they are the same for every model, step and batch size.
class ValidationRows {
 public:
  static constexpr uint64_t kMaskSeed = 20240229;

  // At most `limit` rows (0: all). UsageError when sources have weights: every row is read once.
  ValidationRows(const Corpus& corpus, const text::Tokenizer& tokenizer, int64_t length, const MaskingOptions& masking,
                 uint64_t limit = 0);

  uint64_t rows() const { return rows_; }
  int64_t length() const { return length_; }
  // Rows first … first + count − 1, as far as there are any. A row of special tokens only has nothing masked.
  MaskedBatch batch(uint64_t first, int64_t count) const;

 private:
  PackedStream packed_;
  Masker masker_;
  int64_t length_;
  uint64_t rows_;
};

}  // namespace saobp::data
