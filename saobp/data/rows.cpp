#include "saobp/data/rows.h"

#include <algorithm>

#include "saobp/io/error.h"

namespace saobp::data {
namespace {

std::vector<Document> documents_of_all(const Corpus& corpus, Part part) {
  std::vector<Document> all;
  for (size_t i = 0; i < corpus.sources().size(); ++i) {
    const auto documents = corpus.documents(i, part);
    all.insert(all.end(), documents.begin(), documents.end());
  }
  return all;
}

// One number for an epoch of a stream.
uint64_t epoch_index(size_t stream, uint64_t epoch) { return (static_cast<uint64_t>(stream) << 48) + epoch; }

}  // namespace

TrainingRows::TrainingRows(const Corpus& corpus, const text::Tokenizer& tokenizer, const RowFormat& format,
                           uint64_t seed)
    : maker_(format, tokenizer, seed), seed_(seed), length_(format.length) {
  const PieceOptions cut = maker_.pieces();
  if (!corpus.weighted()) {
    streams_.push_back({DocumentPieces(documents_of_all(corpus, Part::training), cut), 1.0, 0, ~0ull, {}});
  } else {
    double total = 0, sum = 0;
    for (const auto& source : corpus.sources()) total += *source.weight;
    for (size_t i = 0; i < corpus.sources().size(); ++i) {
      sum += *corpus.sources()[i].weight;
      streams_.push_back({DocumentPieces(corpus.documents(i, Part::training), cut), sum / total, 0, ~0ull, {}});
    }
  }
  for (size_t i = 0; i < streams_.size(); ++i)
    if (streams_[i].pieces.trained() == 0)
      fail(corpus.weighted() ? corpus.sources()[i].name : "the corpus", ": its ",
           io::counted(streams_[i].pieces.ids(), "token"), " do not fill one row, which takes ", cut.width,
           "; more text or a smaller length is needed");
}

size_t TrainingRows::stream_of(uint64_t row) const {
  if (streams_.size() == 1) return 0;
  const double drawn = Random(seed_, Purpose::source_choice, row).uniform();
  size_t i = 0;
  while (i + 1 < streams_.size() && drawn >= streams_[i].upto) ++i;
  return i;
}

uint64_t TrainingRows::draw(Stream& stream, size_t index) {
  const uint64_t rows = stream.pieces.trained(), epoch = stream.drawn / rows;
  if (epoch != stream.epoch) {
    stream.pieces.set_order(Random(seed_, Purpose::document_order, epoch_index(index, epoch)));
    stream.row_order =
        random_permutation(static_cast<uint32_t>(rows), Random(seed_, Purpose::row_order, epoch_index(index, epoch)));
    stream.epoch = epoch;
  }
  return stream.row_order[stream.drawn++ % rows];
}

Batch TrainingRows::next(int64_t rows) {
  Batch batch;
  batch.length = length_;
  for (int64_t i = 0; i < rows; ++i, ++position_) {
    const size_t index = stream_of(position_);
    Stream& stream = streams_[index];
    const uint64_t piece = draw(stream, index);
    maker_.append(stream.pieces, piece, position_, batch);
  }
  return batch;
}

void TrainingRows::seek(uint64_t position) {
  if (streams_.size() == 1) {
    streams_[0].drawn = position_ = position;
    return;
  }
  if (position < position_) {
    for (Stream& stream : streams_) stream.drawn = 0;
    position_ = 0;
  }
  for (; position_ < position; ++position_) ++streams_[stream_of(position_)].drawn;
}

uint64_t TrainingRows::rows_per_epoch() const {
  uint64_t rows = 0;
  for (const Stream& stream : streams_) rows += stream.pieces.trained();
  return rows;
}

ValidationRows::ValidationRows(const Corpus& corpus, const text::Tokenizer& tokenizer, const RowFormat& format,
                               Part part, uint64_t limit)
    : maker_(format, tokenizer, kMaskSeed),
      pieces_(documents_of_all(corpus, part), maker_.pieces()),
      length_(format.length),
      rows_(limit > 0 ? std::min(limit, pieces_.count()) : pieces_.count()) {
  if (part == Part::all && corpus.weighted())
    fail_usage("text to validate on has weights; every row of it is read once, so give none");
  if (rows_ == 0)
    fail("the corpus: of its ", io::counted(corpus.documents(), "document"),
         " none is held out; a larger --holdout or shorter documents (--document) are needed");
}

Batch ValidationRows::batch(uint64_t first, int64_t count) const {
  Batch batch;
  batch.length = length_;
  const uint64_t stop = std::min(rows_, first + static_cast<uint64_t>(count));
  for (uint64_t i = first; i < stop; ++i) maker_.append(pieces_, i, i, batch);
  return batch;
}

}  // namespace saobp::data
