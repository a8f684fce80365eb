// Documents in some order, cut into pieces of a fixed width: what rows are made of.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "saobp/data/corpus.h"
#include "saobp/data/random.h"

namespace saobp::data {

struct PieceOptions {
  uint64_t width = 1;   // ids a piece, > 0
  bool pack = true;     // documents follow each other, parted by one id; pieces run on from one into the next
  int32_t parting = 0;  // that id
  bool closed = false;  // the parting also ends the last document and, without `pack`, each one
};

class DocumentPieces {
 public:
  // The documents' ids must outlive this.
  DocumentPieces(std::vector<Document> documents, const PieceOptions& options);

  // The documents in the order that they were given in, or (order) in a random one; neither the number of pieces nor
  // that of full ones depends on it.
  void set_order(std::optional<Random> order);

  uint64_t documents() const { return given_.size(); }
  uint64_t ids() const { return ids_; }  // of all pieces
  uint64_t count() const { return count_; }
  // The pieces that count towards an epoch: all of documents kept apart; of a packed stream all but an incomplete last.
  uint64_t trained() const { return options_.pack ? ids_ / options_.width : count_; }

  // Writes piece i to the front of `out`, which has room for `width`, and gives its number of ids.
  size_t read(uint64_t i, std::span<int32_t> out) const;
  // The id before piece i, which is the parting where a document begins.
  int32_t before(uint64_t i) const;

 private:
  struct Start {
    size_t place;     // of a document in the order
    uint64_t within;  // ids into it; its size means the parting after it
  };
  Start start_of(uint64_t piece) const;
  Document document(size_t place) const { return given_[order_.empty() ? place : order_[place]]; }

  std::vector<Document> given_;
  PieceOptions options_;
  std::vector<uint32_t> order_;   // place → index into given_; empty: the same
  std::vector<uint64_t> starts_;  // of the document at each place: in ids of the stream, or (kept apart) in pieces
  uint64_t ids_ = 0, count_ = 0;
};

}  // namespace saobp::data
