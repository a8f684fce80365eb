#include "saobp/data/rows.h"

#include <algorithm>
#include <limits>

#include "saobp/io/error.h"

namespace saobp::data {
namespace {

std::vector<const TokenCache*> caches_of(const Corpus& corpus) {
  std::vector<const TokenCache*> caches;
  for (const auto& source : corpus.sources()) caches.push_back(&source.tokens);
  return caches;
}

// One number for an epoch of a stream.
uint64_t epoch_index(size_t stream, uint64_t epoch) { return (static_cast<uint64_t>(stream) << 48) + epoch; }

}  // namespace

PackedStream::PackedStream(const std::vector<const TokenCache*>& sources, const TokenRoles& roles, int64_t length)
    : cls_(roles.cls), sep_(roles.sep), pad_(roles.pad), width_(static_cast<uint64_t>(length) - 2) {
  if (length <= 2) fail_usage("a row of length ", length, " has no room between [CLS] and [SEP]; at least 3 is needed");
  for (const TokenCache* source : sources)
    for (uint64_t i = 0; i < source->documents(); ++i) given_.push_back(source->document(i));
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  if (given_.size() > kMost)
    fail("the corpus has ", given_.size(), " documents; at most ", kMost, " can be put in order");
  set_order(std::nullopt);
  if (full_rows() > kMost) fail("the corpus makes ", full_rows(), " rows; at most ", kMost, " can be put in order");
}

void PackedStream::set_order(std::optional<Random> order) {
  order_.clear();
  if (order) order_ = random_permutation(static_cast<uint32_t>(given_.size()), *order);
  starts_.resize(given_.size());
  uint64_t at = 0;
  for (size_t place = 0; place < given_.size(); ++place) {
    starts_[place] = at;
    at += document(place).size() + 1;  // and the [SEP] that parts it from the next
  }
  ids_ = at - (given_.empty() ? 0 : 1);
}

void PackedStream::row(uint64_t i, std::span<int32_t> out) const {
  const uint64_t first = i * width_;
  auto piece = out.subspan(1, std::min(width_, ids_ - first));
  size_t place = static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), first) - starts_.begin()) - 1;
  uint64_t within = first - starts_[place];
  for (size_t at = 0; at < piece.size(); ++place, within = 0) {
    const auto ids = document(place).subspan(within);
    const size_t taken = std::min(ids.size(), piece.size() - at);
    std::copy_n(ids.begin(), taken, piece.begin() + static_cast<std::ptrdiff_t>(at));
    at += taken;
    if (at < piece.size()) piece[at++] = sep_;
  }
  out[0] = cls_;
  out[1 + piece.size()] = sep_;
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(piece.size()) + 2, out.end(), pad_);
}

TrainingRows::TrainingRows(const Corpus& corpus, const text::Tokenizer& tokenizer, int64_t length,
                           const MaskingOptions& masking, uint64_t seed)
    : masker_(masking, TokenRoles(tokenizer), seed), seed_(seed), length_(length) {
  const TokenRoles roles(tokenizer);
  double total = 0, sum = 0;
  if (!corpus.weighted()) {
    streams_.push_back({PackedStream(caches_of(corpus), roles, length), 1.0, 0, ~0ull, {}});
  } else {
    for (const auto& source : corpus.sources()) total += *source.weight;
    for (const auto& source : corpus.sources()) {
      sum += *source.weight;
      streams_.push_back({PackedStream({&source.tokens}, roles, length), sum / total, 0, ~0ull, {}});
    }
  }
  for (size_t i = 0; i < streams_.size(); ++i)
    if (streams_[i].packed.full_rows() == 0)
      fail(corpus.weighted() ? corpus.sources()[i].name : "the corpus", ": its ", streams_[i].packed.tail_ids(),
           " tokens do not fill one row, which takes ", length - 2, "; more text or a smaller length is needed");
}

size_t TrainingRows::stream_of(uint64_t row) const {
  if (streams_.size() == 1) return 0;
  const double drawn = Random(seed_, Purpose::source_choice, row).uniform();
  size_t i = 0;
  while (i + 1 < streams_.size() && drawn >= streams_[i].upto) ++i;
  return i;
}

void TrainingRows::draw(Stream& stream, size_t index, std::span<int32_t> out) {
  const uint64_t rows = stream.packed.full_rows(), epoch = stream.drawn / rows;
  if (epoch != stream.epoch) {
    stream.packed.set_order(Random(seed_, Purpose::document_order, epoch_index(index, epoch)));
    stream.row_order =
        random_permutation(static_cast<uint32_t>(rows), Random(seed_, Purpose::row_order, epoch_index(index, epoch)));
    stream.epoch = epoch;
  }
  stream.packed.row(stream.row_order[stream.drawn % rows], out);
  ++stream.drawn;
}

MaskedBatch TrainingRows::next(int64_t rows) {
  MaskedBatch batch;
  batch.length = length_;
  std::vector<int32_t> row(static_cast<size_t>(length_));
  for (int64_t i = 0; i < rows; ++i, ++position_) {
    const size_t index = stream_of(position_);
    draw(streams_[index], index, row);
    masker_.append(row, position_, batch);
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
  for (const Stream& stream : streams_) rows += stream.packed.full_rows();
  return rows;
}

ValidationRows::ValidationRows(const Corpus& corpus, const text::Tokenizer& tokenizer, int64_t length,
                               const MaskingOptions& masking, uint64_t limit)
    : packed_(caches_of(corpus), TokenRoles(tokenizer), length),
      masker_(masking, TokenRoles(tokenizer), kMaskSeed),
      length_(length) {
  if (corpus.weighted()) fail_usage("text to validate on has weights; every row of it is read once, so give none");
  rows_ = packed_.full_rows() + (packed_.tail_ids() > 0);
  if (limit > 0) rows_ = std::min(rows_, limit);
}

MaskedBatch ValidationRows::batch(uint64_t first, int64_t count) const {
  MaskedBatch batch;
  batch.length = length_;
  std::vector<int32_t> row(static_cast<size_t>(length_));
  const uint64_t stop = std::min(rows_, first + static_cast<uint64_t>(count));
  for (uint64_t i = first; i < stop; ++i) {
    packed_.row(i, row);
    masker_.append(row, i, batch);
  }
  return batch;
}

}  // namespace saobp::data
