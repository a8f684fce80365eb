// Remembers the ids of pieces seen lately: natural text repeats its words, and merging bytes is the slow part.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace saobp::text {

// Direct-mapped, a cache line an entry. For one thread at a time.
class PieceCache {
 public:
  static constexpr size_t kLongest = 26, kMostIds = 9;

  struct alignas(64) Entry {
    int32_t ids[kMostIds];
    uint8_t size = 0;  // of the key; 0: empty
    uint8_t count = 0;
    char key[kLongest];
  };

  // The entry where `piece` (1 to kLongest bytes) is or would be.
  Entry& slot(std::string_view piece) { return entries_[hash(piece) >> (64 - kBits)]; }
  static bool holds(const Entry& entry, std::string_view piece) {
    return entry.size == piece.size() && std::memcmp(entry.key, piece.data(), piece.size()) == 0;
  }
  static void store(Entry& entry, std::string_view piece, const int32_t* ids, size_t count) {
    if (count > kMostIds) return;
    entry.size = static_cast<uint8_t>(piece.size());
    entry.count = static_cast<uint8_t>(count);
    std::memcpy(entry.key, piece.data(), piece.size());
    std::copy_n(ids, count, entry.ids);  // of nothing `ids` may be null
  }

 private:
  static constexpr int kBits = 15;

  static uint64_t hash(std::string_view piece) {
    constexpr uint64_t kFactor = 0x9E3779B97F4A7C15ull;
    const char* at = piece.data();
    size_t left = piece.size();
    uint64_t h = left * kFactor, word = 0;
    for (; left > 8; at += 8, left -= 8) {
      std::memcpy(&word, at, 8);
      h = (h ^ word) * kFactor;
      h ^= h >> 32;
    }
    word = 0;
    std::memcpy(&word, at, left);
    h = (h ^ word) * kFactor;
    return (h ^ h >> 29) * kFactor;
  }

  std::vector<Entry> entries_{size_t{1} << kBits};
};

}  // namespace saobp::text
