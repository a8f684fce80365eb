#include "saobp/data/pieces.h"

#include <algorithm>
#include <limits>

#include "saobp/io/error.h"

namespace saobp::data {
namespace {

void require_orderable(uint64_t number, const char* what) {
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  if (number > kMost) fail("the corpus has ", number, " ", what, "; at most ", kMost, " can be put in order");
}

}  // namespace

DocumentPieces::DocumentPieces(std::vector<Document> documents, const PieceOptions& options)
    : given_(std::move(documents)), options_(options) {
  require_orderable(given_.size(), "documents");
  set_order(std::nullopt);
  require_orderable(count_, "rows");
}

void DocumentPieces::set_order(std::optional<Random> order) {
  order_.clear();
  if (order) order_ = random_permutation(static_cast<uint32_t>(given_.size()), *order);
  starts_.resize(given_.size());
  const uint64_t width = options_.width;
  ids_ = count_ = 0;
  for (size_t place = 0; place < given_.size(); ++place) {
    starts_[place] = options_.pack ? ids_ : count_;
    const bool parted = options_.closed || (options_.pack && place + 1 < given_.size());
    const uint64_t size = document(place).size() + (parted ? 1 : 0);
    ids_ += size;
    count_ += (size + width - 1) / width;
  }
  if (options_.pack) count_ = (ids_ + width - 1) / width;
}

DocumentPieces::Start DocumentPieces::start_of(uint64_t piece) const {
  const uint64_t at = options_.pack ? piece * options_.width : piece;
  const auto place = static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), at) - starts_.begin()) - 1;
  return {place, (at - starts_[place]) * (options_.pack ? 1 : options_.width)};
}

size_t DocumentPieces::read(uint64_t i, std::span<int32_t> out) const {
  auto [place, within] = start_of(i);
  const uint64_t left =
      options_.pack ? ids_ - i * options_.width : document(place).size() + (options_.closed ? 1 : 0) - within;
  const auto size = static_cast<size_t>(std::min(options_.width, left));
  for (size_t at = 0; at < size; ++place, within = 0) {
    const Document ids = document(place).subspan(within);
    const size_t taken = std::min(ids.size(), size - at);
    std::copy_n(ids.begin(), taken, out.begin() + static_cast<std::ptrdiff_t>(at));
    at += taken;
    if (at < size) out[at++] = options_.parting;
  }
  return size;
}

int32_t DocumentPieces::before(uint64_t i) const {
  const auto [place, within] = start_of(i);
  return within == 0 ? options_.parting : document(place)[within - 1];
}

}  // namespace saobp::data
