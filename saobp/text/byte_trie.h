// Strings to values, walked a byte at a time: a double array, where state s goes with byte b to base[s] + b when that
// cell says it came from s.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace saobp::text {

class ByteTrie {
 public:
  static constexpr int32_t kRoot = 0, kNone = -1;

  ByteTrie() : ByteTrie(std::vector<std::pair<std::string_view, int32_t>>{}) {}
  // Values are not negative; of equal keys the first in the list stays.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries);

  // The state after one more byte, or kNone.
  int32_t step(int32_t state, char byte) const {
    int32_t next = cells_[static_cast<size_t>(state)].base + static_cast<uint8_t>(byte);
    return cells_[static_cast<size_t>(next)].parent == state ? next : kNone;
  }
  // The value of the key that ends here, or kNone.
  int32_t value(int32_t state) const { return cells_[static_cast<size_t>(state)].value; }

  int32_t walk(int32_t state, std::string_view bytes) const {
    for (char byte : bytes)
      if ((state = step(state, byte)) == kNone) break;
    return state;
  }
  int32_t find(std::string_view key) const {
    int32_t state = walk(kRoot, key);
    return state == kNone ? kNone : value(state);
  }

 private:
  struct Cell {
    int32_t base = 0, parent = kNone, value = kNone;
  };
  std::vector<Cell> cells_;
};

}  // namespace saobp::text
