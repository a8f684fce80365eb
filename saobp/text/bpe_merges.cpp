#include "saobp/text/bpe_merges.h"

#include <bit>
#include <queue>
#include <tuple>

namespace saobp::text {
namespace {

constexpr size_t kShort = 64;  // pieces up to here are searched pair by pair; longer ones take a heap
constexpr uint32_t kNoMerge = UINT32_MAX;

}  // namespace

BpeMergeTable::BpeMergeTable(size_t rules) {
  size_t size = std::bit_ceil(2 * rules + 2);  // at most half full
  rules_.resize(size);
  mask_ = size - 1;
  shift_ = 64 - std::countr_zero(size);
}

void BpeMergeTable::set(int32_t left, int32_t right, uint32_t rank, int32_t merged) {
  uint64_t pair = key(left, right);
  size_t at = slot(pair);
  while (rules_[at].pair != kEmpty && rules_[at].pair != pair) at = (at + 1) & mask_;
  rules_[at] = {pair, rank, merged};
}

void BpeMergeTable::apply(std::vector<int32_t>& ids) const {
  ids.size() <= kShort ? apply_short(ids) : apply_long(ids);
}

void BpeMergeTable::apply_short(std::vector<int32_t>& ids) const {
  uint32_t ranks[kShort];  // of the pair that starts at i
  int32_t merged[kShort];
  size_t n = ids.size();
  auto look = [&](size_t i) {
    const Rule* rule = i + 1 < n ? find(ids[i], ids[i + 1]) : nullptr;
    ranks[i] = rule ? rule->rank : kNoMerge;
    if (rule) merged[i] = rule->merged;
  };
  for (size_t i = 0; i < n; ++i) look(i);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNoMerge) break;
    ids[best] = merged[best];
    --n;
    for (size_t i = best + 1; i < n; ++i) ids[i] = ids[i + 1], ranks[i] = ranks[i + 1], merged[i] = merged[i + 1];
    look(best);
    if (best > 0) look(best - 1);
  }
  ids.resize(n);
}

void BpeMergeTable::apply_long(std::vector<int32_t>& ids) const {
  constexpr int32_t kGone = -1;
  const size_t n = ids.size();
  std::vector<size_t> next(n), previous(n);
  for (size_t i = 0; i < n; ++i) next[i] = i + 1, previous[i] = i - 1;  // n: the end; for i = 0 never looked at
  // Rank, position, and the pair that was there: entries whose pair has changed since are passed over.
  using Candidate = std::tuple<uint32_t, size_t, int32_t, int32_t, int32_t>;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  auto look = [&](size_t i) {
    if (next[i] >= n) return;
    int32_t left = ids[i], right = ids[next[i]];
    if (const Rule* rule = find(left, right)) queue.emplace(rule->rank, i, left, right, rule->merged);
  };
  for (size_t i = 0; i < n; ++i) look(i);
  while (!queue.empty()) {
    auto [rank, i, left, right, merged] = queue.top();
    queue.pop();
    if (ids[i] != left || next[i] >= n || ids[next[i]] != right) continue;
    size_t absorbed = next[i];
    ids[i] = merged;
    ids[absorbed] = kGone;
    next[i] = next[absorbed];
    if (next[i] < n) previous[next[i]] = i;
    look(i);
    if (i > 0) look(previous[i]);
  }
  std::erase(ids, kGone);
}

}  // namespace saobp::text
