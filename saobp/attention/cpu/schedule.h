// How the heads of a problem and the rows of a head are spread over threads. Nothing here changes a result: see
// kMaxChunks in kernel.h.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "saobp/attention/cpu/dispatch.h"
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

// sums[k] becomes the sum over the chunks, in order. sums: [chunks][stride].
inline void sum_chunks(double* sums, const Chunks& chunks, int64_t stride, int64_t count) {
  for (int64_t c = 1; c < chunks.count(); ++c) {
    for (int64_t k = 0; k < count; ++k) sums[k] += sums[c * stride + k];
  }
}

// A matrix of floats that is summed up over the rows of a head: each chunk's part by itself, then these in their order.
// One thread that does all chunks adds each part when it is made; several threads keep all of them until the end.
class ChunkSum {
 public:
  // Up to `size` floats.
  ChunkSum(const Problem& problem, int64_t size) : size_(size), most_chunks_(chunk_count(problem.queries)) {}

  // For the next head, where `used` floats are wanted.
  void begin(float* total, int64_t used, const Chunks& chunks, bool alone) {
    total_ = total;
    used_ = used;
    chunks_ = chunks.count();
    alone_ = alone;
    std::fill(total_, total_ + used, 0.0f);
    if (alone || chunks_ == 1 || parts_) return;
    memory_.emplace([this](auto& place) { place(parts_, most_chunks_ * size_); });
  }

  // Where the chunk adds up its part. `own` is memory of the calling thread, for one part.
  float* begin_chunk(int64_t chunk, float* own) const {
    if (chunks_ == 1) return total_;
    float* part = alone_ ? own : parts_ + chunk * size_;
    std::fill(part, part + used_, 0.0f);
    return part;
  }

  // The part is made; those of other threads are left for combine().
  void end_chunk(const float* part) const {
    if (alone_ && chunks_ > 1) add(part);
  }

  // All parts are made. `backwards`: from the last chunk to the first.
  void combine(bool backwards = false) const {
    if (alone_ || chunks_ == 1) return;
    for (int64_t n = 0; n < chunks_; ++n) add(parts_ + (backwards ? chunks_ - 1 - n : n) * size_);
  }

 private:
  void add(const float* part) const {
    for (int64_t n = 0; n < used_; ++n) total_[n] += part[n];
  }

  int64_t size_, most_chunks_;
  float* total_ = nullptr;
  int64_t used_ = 0, chunks_ = 1;
  bool alone_ = true;
  float* parts_ = nullptr;  // [chunks][size]
  std::optional<Scratch> memory_;
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

// Runs Pass(head, call, shared).run(own) for the heads of the problem, with Pass::Shared and Pass::Own as memory of a
// head and of a thread. Each thread takes the same number of heads whole; what is left over is taken by all threads
// together, one head after the other, with `own` null. The heads of `some` go in the calling thread.
// Where padding leaves something of a head out, what it writes is 0 there: call.each_result(f) calls f(view, rows) for
// the tensors [batch, heads, rows, channels] that the passes write.
template <class Pass, class Call>
void run_heads(const Problem& problem, const Call& call, std::optional<HeadRange> some = {}) {
  using Shared = typename Pass::Shared;
  using Own = typename Pass::Own;
  apply_environment();
  const auto run_one = [&](int64_t index, Shared& shared, Own* own) {
    const int64_t batch = index / problem.heads, of_batch = index % problem.heads;
    const RealRows real(problem, batch);
    const Constants constants(problem, of_batch, static_cast<int64_t>(real.queries.size()));
    const bool nothing = real.queries.empty() || real.keys.empty();
    if (nothing || real.queries.size() < static_cast<size_t>(problem.queries) ||
        real.keys.size() < static_cast<size_t>(problem.keys)) {
      call.each_result([&](const auto& view, int64_t rows) {
        clear_rows(head_rows(view, batch, of_batch), rows, problem.channels);
      });
    }
    if (nothing) return;
    Pass(Head{problem, constants, real, index}, call, shared).run(own);
  };
  const auto in_one_thread = [&](int64_t begin, int64_t end) {
    if (begin == end) return;
    Shared shared(problem);
    Own own(problem);
    for (int64_t index = begin; index < end; ++index) run_one(index, shared, &own);
  };
  if (some) return in_one_thread(some->begin, some->end);
  const int64_t heads = problem.batch * problem.heads;
  const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  const int64_t whole = chunk_count(problem.queries) == 1 ? heads : heads / threads * threads;
  at::parallel_for(0, whole, 1, in_one_thread);
  if (whole == heads) return;
  Shared shared(problem);
  for (int64_t index = whole; index < heads; ++index) run_one(index, shared, nullptr);
}

}  // namespace saobp::attention::cpu
