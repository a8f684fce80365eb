#include "saobp/attention/cpu/head.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/dropout.h"

namespace saobp::attention::cpu {
namespace {

// Whole vectors may be loaded from the result: behind its end there is memory up to a multiple of 16.
Indices real_positions(const bool* mask, int64_t length) {
  Indices indices(round_up(length, kLanes));
  int64_t count = 0;
  for (int64_t i = 0; i < length; ++i) {
    if (!mask || mask[i]) indices[count++] = static_cast<uint32_t>(i);
  }
  indices.resize(count);
  return indices;
}

// A product of so many messages, each within [e^{−|λ|}, e^{|λ|}], stays within float's range; the causal form's
// products are also held against weights of up to 1, and keep to half of it (causal_rows.h).
int64_t fold_length(double strength, bool causal) {
  const double limit = strength == 0 ? kTileRows : std::floor((causal ? 30 : 60) / std::abs(strength));
  return std::clamp<int64_t>(static_cast<int64_t>(std::min<double>(limit, kTileRows)), 1, kTileRows);
}

}  // namespace

int64_t blocks_kept(const Problem& problem) {
  const int64_t blocks = divide_up(problem.queries, kTileRows);
  const int64_t size = kTileRows * std::max(round_up(problem.keys, kTileColumns), kTileColumns);
  return std::clamp<int64_t>(kKeptFloats / size, 1, std::max<int64_t>(blocks, 1));
}

bool refines_twice(const Problem& problem) {
  bool refine = problem.learn_strengths;
  for (int64_t head = 0; head < problem.heads; ++head) refine |= problem.strength_of(head) != 0;
  return refine && !problem.causal;
}

Constants::Constants(const Problem& problem, int64_t head, int64_t queries)
    : strength(head < problem.heads ? problem.strength_of(head) : 0),
      score_scale(static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(problem.channels)))),
      gradient_scale(static_cast<float>(1 / std::sqrt(static_cast<double>(problem.channels)))),
      share(problem.causal ? 1.0 : problem.strength_share(queries)),
      dropout(problem.dropout > 0),
      dropout_threshold(attention::dropout_threshold(problem.dropout)),
      kept_scale(static_cast<float>(1 / (1 - problem.dropout))) {
  refine = strength != 0 || problem.learn_strengths;
  t = static_cast<float>(-share * std::expm1(-strength));
  messages = {static_cast<float>((1 - share) + share * std::exp(-strength)), fold_length(strength, problem.causal),
              problem.exclude_self};
}

RealRows::RealRows(const Problem& problem, int64_t batch)
    : queries(
          real_positions(problem.query_mask ? problem.query_mask + batch * problem.queries : nullptr, problem.queries)),
      keys(real_positions(problem.key_mask ? problem.key_mask + batch * problem.keys : nullptr, problem.keys)),
      key_columns(round_up(keys.size(), kLanes)) {
  if (!problem.causal) return;
  const auto first = keys.empty() ? queries.end() : std::lower_bound(queries.begin(), queries.end(), keys.front());
  queries.erase(queries.begin(), first);
  visible.reserve(queries.size());
  size_t seen = 0;
  for (const uint32_t query : queries) {
    while (seen < keys.size() && keys[seen] <= query) ++seen;
    visible.push_back(static_cast<int64_t>(seen));
  }
}

int64_t RealRows::block_columns(int64_t block) const {
  return visible.empty() ? key_columns : round_up(visible[block * kTileRows + block_rows(block) - 1], kLanes);
}

int64_t RealRows::block_rows(int64_t block) const {
  return std::min<int64_t>(kTileRows, static_cast<int64_t>(queries.size()) - block * kTileRows);
}

template <class E, class T>
PackedOf<E> pack_if_needed(const Rows<const T>& rows, const Indices& real, int64_t first, int64_t count, int64_t padded,
                           int64_t channels, E* buffer) {
  const uint32_t* indices = real.data() + first;
  const int64_t depth = depth_of<E>(channels);
  if constexpr (std::is_same_v<E, T>) {
    const bool neighbours = indices[count - 1] - indices[0] == count - 1;  // they ascend
    if (neighbours && count == padded && channels == depth) return {rows[indices[0]], rows.stride};
  }
  if constexpr (std::is_same_v<E, float>) {
    pack_rows(rows, indices, count, channels, 1.0f, buffer);
    std::fill(buffer + count * channels, buffer + padded * channels, 0.0f);
  } else {
    copy_rows(rows, indices, count, padded, channels, buffer);
  }
  return {buffer, depth};
}

template Packed pack_if_needed(const Rows<const float>&, const Indices&, int64_t, int64_t, int64_t, int64_t, float*);
template Packed pack_if_needed(const Rows<const BFloat16>&, const Indices&, int64_t, int64_t, int64_t, int64_t, float*);
template PackedOf<BFloat16> pack_if_needed(const Rows<const BFloat16>&, const Indices&, int64_t, int64_t, int64_t,
                                           int64_t, BFloat16*);

}  // namespace saobp::attention::cpu
