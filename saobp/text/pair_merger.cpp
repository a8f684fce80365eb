#include "saobp/text/pair_merger.h"

#include <algorithm>
#include <set>

namespace saobp::text {

int32_t PairMerger::intern(const std::string& token) {
  auto [it, fresh] = ids_.emplace(token, static_cast<int32_t>(tokens_.size()));
  if (fresh) tokens_.push_back(token);
  return it->second;
}

void PairMerger::add_word(std::span<const int32_t> symbols, int64_t count) {
  if (symbols.size() < 2) return;
  auto index = static_cast<int32_t>(words_.size());
  words_.push_back({symbols_.size(), symbols.size(), count});
  symbols_.insert(symbols_.end(), symbols.begin(), symbols.end());
  for (size_t i = 0; i + 1 < symbols.size(); ++i) change(symbols[i], symbols[i + 1], count, index);
}

// A pair's count; `word` is noted when it gains the pair.
void PairMerger::change(int32_t left, int32_t right, int64_t by, int32_t word) {
  uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  auto [it, fresh] = pair_index_.emplace(key, static_cast<int32_t>(pairs_.size()));
  if (fresh) pairs_.push_back({{left, right}, 0, {}});
  PairState& state = pairs_[static_cast<size_t>(it->second)];
  state.count += by;
  if (by < 0) return;
  if (state.words.empty()) gained_.push_back(it->second);
  // A word's changes come one after another, so that each word is listed once.
  if (state.words.empty() || state.words.back() != word) state.words.push_back(word);
}

void PairMerger::fill_queue() {
  for (int32_t index : gained_) {
    PairState& state = pairs_[static_cast<size_t>(index)];
    auto words = std::exchange(state.words, {});
    if (state.count <= 0) continue;
    queue_.push_back({state.count, state.pair, index, std::move(words)});
    std::push_heap(queue_.begin(), queue_.end());
  }
  gained_.clear();
}

void PairMerger::merge_until(int64_t vocab_size, int64_t min_frequency) {
  fill_queue();
  while (static_cast<int64_t>(tokens_.size()) < vocab_size && !queue_.empty()) {
    std::pop_heap(queue_.begin(), queue_.end());
    Candidate& top = queue_.back();
    if (int64_t count = pairs_[static_cast<size_t>(top.index)].count; count != top.count) {  // it has changed since
      top.count = count;
      std::push_heap(queue_.begin(), queue_.end());
      continue;
    }
    if (top.count < std::max<int64_t>(min_frequency, 1)) break;
    const Candidate best = std::move(top);
    queue_.pop_back();
    int32_t merged = merged_token(best.pair);
    merges_.push_back(best.pair);
    for (int32_t word : best.words) merge_in_word(word, best.pair, merged);
    fill_queue();
  }
}

int32_t PairMerger::merged_token(Pair pair) {
  const std::string& right = tokens_[static_cast<size_t>(pair.second)];
  return intern(tokens_[static_cast<size_t>(pair.first)] +
                (right.starts_with(prefix_) ? right.substr(prefix_.size()) : right));
}

void PairMerger::merge_in_word(int32_t index, Pair pair, int32_t merged) {
  Word& word = words_[static_cast<size_t>(index)];
  int32_t* symbols = symbols_.data() + word.begin;
  const auto [left, right] = pair;
  size_t used = 0;
  for (size_t i = 0; i < word.size; ++i) {
    if (symbols[i] != left || i + 1 == word.size || symbols[i + 1] != right) {
      symbols[used++] = symbols[i];
      continue;
    }
    if (used > 0) {
      change(symbols[used - 1], left, -word.count, index);
      change(symbols[used - 1], merged, word.count, index);
    }
    if (i + 2 < word.size) {
      change(right, symbols[i + 2], -word.count, index);
      change(merged, symbols[i + 2], word.count, index);
    }
    symbols[used++] = merged;
    ++i;
  }
  word.size = used;
}

std::vector<PairMerger::Pair> PairMerger::merges() const {
  std::vector<Pair> rules;
  std::set<Pair> seen;
  for (auto it = merges_.rbegin(); it != merges_.rend(); ++it)
    if (seen.insert(*it).second) rules.push_back(*it);
  std::reverse(rules.begin(), rules.end());
  return rules;
}

}  // namespace saobp::text
