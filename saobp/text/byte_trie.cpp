#include "saobp/text/byte_trie.h"

#include <algorithm>
#include <deque>

namespace saobp::text {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  entries.erase(
      std::unique(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first == b.first; }),
      entries.end());
  cells_.assign(512, Cell{});
  cells_[kRoot].parent = -2;  // taken, and nobody's child

  // Entries first..last share the first `depth` bytes, which lead to `state`. Breadth first keeps the upper levels,
  // where most steps happen, close together.
  struct Node {
    size_t first, last, depth;
    int32_t state;
  };
  std::deque<Node> open;
  if (!entries.empty()) open.push_back({0, entries.size(), 0, kRoot});
  size_t first_free = 1;
  std::vector<std::pair<uint8_t, size_t>> children;  // byte and the first entry that has it
  while (!open.empty()) {
    Node node = open.front();
    open.pop_front();
    if (entries[node.first].first.size() == node.depth)
      cells_[static_cast<size_t>(node.state)].value = entries[node.first++].second;
    children.clear();
    for (size_t i = node.first; i < node.last; ++i) {
      auto byte = static_cast<uint8_t>(entries[i].first[node.depth]);
      if (children.empty() || children.back().first != byte) children.emplace_back(byte, i);
    }
    if (children.empty()) continue;

    while (first_free < cells_.size() && cells_[first_free].parent != kNone) ++first_free;
    size_t least = children.front().first;
    size_t base = first_free > least ? first_free - least : 0;
    for (size_t tries = 0;; ++base, ++tries) {
      if (cells_.size() < base + 512) cells_.resize(cells_.size() * 2 + 512);
      bool fits = std::all_of(children.begin(), children.end(),
                              [&](const auto& child) { return cells_[base + child.first].parent == kNone; });
      if (fits) break;
      // A crowded stretch is not worth searching again and again.
      if (tries == 64) first_free += 16, tries = 0;
    }
    cells_[static_cast<size_t>(node.state)].base = static_cast<int32_t>(base);
    for (size_t i = 0; i < children.size(); ++i) {
      auto state = base + children[i].first;
      cells_[state].parent = node.state;
      size_t last = i + 1 < children.size() ? children[i + 1].second : node.last;
      open.push_back({children[i].second, last, node.depth + 1, static_cast<int32_t>(state)});
    }
  }
  // No step may leave the array.
  size_t end = 0;
  for (size_t i = 0; i < cells_.size(); ++i)
    if (cells_[i].parent != kNone) end = std::max({end, i + 1, static_cast<size_t>(cells_[i].base)});
  cells_.resize(end + 256);
  cells_.shrink_to_fit();
}

}  // namespace saobp::text
