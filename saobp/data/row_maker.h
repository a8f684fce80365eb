// What a row is, and how it is made from a piece of text. There are two kinds:
//
// masked  (BERT) [CLS] piece [SEP]: the piece has length − 2 ids, packed documents are parted by [SEP]. Token type is 0
//         everywhere, there is no next-sentence task. Positions and targets are those of masked tokens (masking.h).
// causal  (GPT-2; with a WordPiece vocabulary, [SEP] is what <|endoftext|> is here) The text is one stream,
// <|endoftext|> document <|endoftext|> document <|endoftext|> …, and a row is
//         `length` ids of it. Position t predicts the stream's id t + 1, at a row's end too: there it is the first id
//         of the next row. So an epoch predicts each id of each document, and its end, exactly once.
//
// Documents that are kept apart (pack = false) begin a row of their own; a row that their end does not fill has padding
// after it, which is neither attended to nor predicted: [PAD], and in causal rows <|endoftext|>. A causal row that
// begins a document begins with <|endoftext|>, as a packed one does.
#pragma once

#include <cstdint>
#include <optional>

#include "saobp/data/batch.h"
#include "saobp/data/masking.h"
#include "saobp/data/pieces.h"
#include "saobp/text/tokenizer.h"

namespace saobp::data {

struct RowFormat {
  int64_t length;                                            // ids a row
  bool pack = true;                                          // rows run on from one document into the next
  std::optional<MaskingOptions> masking = MaskingOptions{};  // none: causal rows
};

class RowMaker {
 public:
  // `seed` is that of the masks. UsageError for a length that leaves no room for text; Error for a vocabulary without
  // the special tokens that the rows need.
  RowMaker(const RowFormat& format, const text::Tokenizer& tokenizer, uint64_t seed);

  // How documents are cut.
  PieceOptions pieces() const;
  // Appends piece i as a row. Masks depend on (seed, row_number) alone.
  void append(const DocumentPieces& pieces, uint64_t i, uint64_t row_number, Batch& batch) const;

 private:
  void append_masked(const DocumentPieces& pieces, uint64_t i, uint64_t row_number, Batch& batch) const;
  void append_causal(const DocumentPieces& pieces, uint64_t i, Batch& batch) const;

  RowFormat format_;
  std::optional<TokenRoles> roles_;  // of masked rows
  std::optional<Masker> masker_;
  int32_t end_of_text_ = 0;  // of causal rows
};

}  // namespace saobp::data
