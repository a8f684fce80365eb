// How often each word is there, counted by several threads: every one has a table of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "saobp/text/parts.h"

namespace saobp::text {

class WordCounts {
 public:
  explicit WordCounts(int threads) : tables_(static_cast<size_t>(std::max(threads, 1))) {}

  // Calls on_part(part, count) for parts of whole lines; it calls count(word) for each word.
  template <class OnPart>
  void add(std::string_view text, OnPart&& on_part) {
    const size_t workers = useful_workers(text, static_cast<int>(tables_.size()));
    const auto parts = cut_at_lines(text, workers);
    run_workers(workers, parts.size(), [&](size_t worker, size_t i) {
      Table& table = tables_[worker];
      on_part(parts[i], [&](std::string_view word) {
        if (auto it = table.find(word); it != table.end())
          ++it->second;
        else
          table.emplace(word, 1);
      });
    });
  }

  // In the words' bytewise order: that of a hash map must not show.
  std::vector<std::pair<std::string_view, int64_t>> sorted() const {
    std::vector<std::pair<std::string_view, int64_t>> all, words;
    for (const Table& table : tables_) all.insert(all.end(), table.begin(), table.end());
    std::sort(all.begin(), all.end());
    for (const auto& [word, count] : all) {
      if (words.empty() || words.back().first != word) words.emplace_back(word, 0);
      words.back().second += count;
    }
    return words;
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Table = std::unordered_map<std::string, int64_t, Hash, std::equal_to<>>;
  std::vector<Table> tables_;
};

}  // namespace saobp::text
