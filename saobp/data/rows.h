// Rows of a fixed length to train and to validate on, masked or causal (row_maker.h).
#pragma once

#include <cstdint>
#include <vector>

#include "saobp/data/corpus.h"
#include "saobp/data/row_maker.h"

namespace saobp::data {

// The endless sequence of training rows, numbered from 0. Row n is a function of (corpus, format, seed, n), so the seed
// and the position are all the state there is, and several processes share one sequence by reading rows in turn.
//
// Without weights all sources are one stream: in each epoch its documents are put into a new random order, cut into
// rows, and the rows of the whole stream drawn in a random order without repetition; the incomplete last row of a
// packed stream is dropped. With weights every source is a stream of its own with its own epochs, and each row first
// draws its source with a probability in proportion to the weight. Masks are drawn anew for each row number, so a text
// that comes again is masked differently. Documents that the corpus holds out are not among the rows.
//
// Memory: about 28 bytes a document and 4 bytes a row.
class TrainingRows {
 public:
  // Error when a stream does not fill one row. The corpus must outlive this.
  TrainingRows(const Corpus& corpus, const text::Tokenizer& tokenizer, const RowFormat& format, uint64_t seed);

  // The next `rows` rows.
  Batch next(int64_t rows);
  // Rows handed out so far: with the seed all there is to save for resuming exactly.
  uint64_t position() const { return position_; }
  // To any row, forwards or backwards; some nanoseconds a row when there are weights, else free.
  void seek(uint64_t position);
  // Rows that one pass over all sources makes (what an epoch is, without weights).
  uint64_t rows_per_epoch() const;
  int64_t length() const { return length_; }

 private:
  struct Stream {
    DocumentPieces pieces;
    double upto;             // cumulative share of the rows
    uint64_t drawn = 0;      // rows of this stream before position_
    uint64_t epoch = ~0ull;  // whose order is set
    std::vector<uint32_t> row_order;
  };
  size_t stream_of(uint64_t row) const;
  // The piece that the stream's next row is made of.
  uint64_t draw(Stream& stream, size_t index);
  RowMaker maker_;
  std::vector<Stream> streams_;
  uint64_t seed_, position_ = 0;
  int64_t length_;
};

// Text to validate on: every row once, in the order of the text, the incomplete last one too. The masks are drawn from
// a fixed seed, so they are the same for every model, step and batch size.
class ValidationRows {
 public:
  static constexpr uint64_t kMaskSeed = 20240229;

  // All of a corpus, or (Part::held_out) what training leaves out; at most `limit` rows (0: all). UsageError when all
  // of a corpus with weights is asked for: every row is read once. Error when no document is held out.
  ValidationRows(const Corpus& corpus, const text::Tokenizer& tokenizer, const RowFormat& format, Part part = Part::all,
                 uint64_t limit = 0);

  uint64_t rows() const { return rows_; }
  int64_t length() const { return length_; }
  uint64_t documents() const { return pieces_.documents(); }
  // Rows first … first + count − 1, as far as there are any. A row of special tokens only has nothing masked.
  Batch batch(uint64_t first, int64_t count) const;

 private:
  RowMaker maker_;
  DocumentPieces pieces_;
  int64_t length_;
  uint64_t rows_;
};

}  // namespace saobp::data
