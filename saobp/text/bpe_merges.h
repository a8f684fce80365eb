// The merge rules: which pair of tokens becomes which, and in what order; and their application to one piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace saobp::text {

class BpeMergeTable {
 public:
  struct Rule {
    uint64_t pair = kEmpty;
    uint32_t rank = 0;
    int32_t merged = 0;
  };

  explicit BpeMergeTable(size_t rules = 0);
  // A pair that is there already gets the new rank, as in the `tokenizers` package.
  void set(int32_t left, int32_t right, uint32_t rank, int32_t merged);
  // Null when the pair does not merge.
  const Rule* find(int32_t left, int32_t right) const {
    uint64_t pair = key(left, right);
    for (size_t at = slot(pair);; at = (at + 1) & mask_) {
      if (rules_[at].pair == pair) return &rules_[at];
      if (rules_[at].pair == kEmpty) return nullptr;
    }
  }

  // Merges in place until no pair merges, lowest rank first and of equal ranks the leftmost. `ids` shrinks.
  void apply(std::vector<int32_t>& ids) const;

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  static uint64_t key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot(uint64_t pair) const { return (pair * 0x9E3779B97F4A7C15ull) >> shift_; }
  void apply_short(std::vector<int32_t>& ids) const;
  void apply_long(std::vector<int32_t>& ids) const;

  std::vector<Rule> rules_;
  size_t mask_;
  int shift_;
};

}  // namespace saobp::text
