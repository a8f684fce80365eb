#include "saobp/data/row_maker.h"

#include <algorithm>

#include "saobp/io/error.h"

namespace saobp::data {

RowMaker::RowMaker(const RowFormat& format, const text::Tokenizer& tokenizer, uint64_t seed) : format_(format) {
  if (format.masking) {
    roles_.emplace(tokenizer);
    masker_.emplace(*format.masking, *roles_, seed);
    if (format.length <= 2)
      fail_usage("a row of length ", format.length, " has no room between [CLS] and [SEP]; at least 3 is needed");
  } else {
    const auto end_of_text = tokenizer.special().end_of_text();
    if (!end_of_text)
      fail(
          "the vocabulary has neither <|endoftext|> nor [SEP]; causal language modelling needs one of them between "
          "documents");
    end_of_text_ = *end_of_text;
    if (format.length < 1) fail_usage("a row of length ", format.length, " has no room for text; at least 1 is needed");
  }
}

PieceOptions RowMaker::pieces() const {
  const auto length = static_cast<uint64_t>(format_.length);
  if (format_.masking) return {length - 2, format_.pack, roles_->sep, false};
  return {length, format_.pack, end_of_text_, true};
}

void RowMaker::append(const DocumentPieces& pieces, uint64_t i, uint64_t row_number, Batch& batch) const {
  batch.length = format_.length;
  if (format_.masking)
    append_masked(pieces, i, row_number, batch);
  else
    append_causal(pieces, i, batch);
}

void RowMaker::append_masked(const DocumentPieces& pieces, uint64_t i, uint64_t row_number, Batch& batch) const {
  std::vector<int32_t> row(static_cast<size_t>(format_.length), roles_->pad);
  const size_t size = pieces.read(i, std::span(row).subspan(1));
  row[0] = roles_->cls;
  row[1 + size] = roles_->sep;
  masker_->append(row, row_number, batch);
}

void RowMaker::append_causal(const DocumentPieces& pieces, uint64_t i, Batch& batch) const {
  const auto length = static_cast<size_t>(format_.length);
  std::vector<int32_t> next(length);
  const size_t size = pieces.read(i, next);
  const auto start = static_cast<int64_t>(batch.input_ids.size());
  ++batch.rows;
  batch.padded |= size < length;
  batch.input_ids.push_back(pieces.before(i));
  for (size_t at = 0; at + 1 < length; ++at) batch.input_ids.push_back(at + 1 < size ? next[at] : end_of_text_);
  for (size_t at = 0; at < length; ++at) batch.attention_mask.push_back(at < size);
  for (size_t at = 0; at < size; ++at) {
    batch.positions.push_back(start + static_cast<int64_t>(at));
    batch.targets.push_back(next[at]);
  }
}

}  // namespace saobp::data
