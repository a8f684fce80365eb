// How the heads of a problem and the rows of a head are spread over threads. Nothing here changes a result: see
// kMaxChunks in kernel.h.
#pragma once

#include <ATen/Parallel.h>

#include <cmath>
#include <cstdint>

#include "saobp/attention/cpu/head.h"
#include "saobp/attention/cpu/kernel.h"

namespace saobp::attention::cpu {

// The blocks of a head, cut into chunks of like work: that of a row is the same for all, or grows with the row
// (causal).
class Chunks {
 public:
  explicit Chunks(const RealRows& real) : count_(chunk_count(static_cast<int64_t>(real.queries.size()))) {
    const int64_t blocks = real.row_blocks();
    for (int64_t c = 0; c <= count_; ++c) {
      const double part = static_cast<double>(c) / static_cast<double>(count_);
      first_[c] =
          real.visible.empty() ? blocks * c / count_ : std::llround(static_cast<double>(blocks) * std::sqrt(part));
    }
  }
  int64_t count() const { return count_; }
  // Blocks [begin, end) belong to the chunk; there may be none.
  int64_t begin(int64_t chunk) const { return first_[chunk]; }
  int64_t end(int64_t chunk) const { return first_[chunk + 1]; }

 private:
  int64_t count_;
  int64_t first_[kMaxChunks + 1];
};

// Calls f(chunk, own) for the chunks: in order with the memory `own` of the calling thread or, if that is null, spread
// over the threads, each with memory of its own.
template <class Own, class F>
void for_chunks(const Problem& problem, int64_t count, Own* own, F&& f) {
  if (own) {
    for (int64_t c = 0; c < count; ++c) f(c, *own);
    return;
  }
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    Own memory(problem);
    for (int64_t c = begin; c < end; ++c) f(c, memory);
  });
}

// Calls one(index, shared, &own) for some of the batch · heads heads.
template <class Shared, class Own, class OneHead>
void in_one_thread(const Problem& problem, int64_t begin, int64_t end, OneHead&& one) {
  if (begin == end) return;
  Shared shared(problem);
  Own own(problem);
  for (int64_t index = begin; index < end; ++index) one(index, shared, &own);
}

// The same for all heads: each thread takes the same number of them whole; what is left over is taken by all threads
// together, one head after the other, as one(index, shared, nullptr).
template <class Shared, class Own, class OneHead>
void over_threads(const Problem& problem, OneHead&& one) {
  const int64_t heads = problem.batch * problem.heads;
  const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  const int64_t whole = chunk_count(problem.queries) == 1 ? heads : heads / threads * threads;
  at::parallel_for(0, whole, 1,
                   [&](int64_t begin, int64_t end) { in_one_thread<Shared, Own>(problem, begin, end, one); });
  if (whole == heads) return;
  Shared shared(problem);
  for (int64_t index = whole; index < heads; ++index) one(index, shared, static_cast<Own*>(nullptr));
}

}  // namespace saobp::attention::cpu
