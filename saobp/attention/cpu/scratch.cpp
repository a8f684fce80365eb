#include "saobp/attention/cpu/scratch.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace saobp::attention::cpu {
namespace {

constexpr int64_t kHugePage = int64_t{1} << 21;
constexpr int kNotANumber = 0xFF;  // in every byte

std::atomic<bool> poison{false};

Scratch::Block allocate(int64_t bytes) {
  const bool huge = bytes >= 2 * kHugePage;
  bytes = round_up(bytes, huge ? kHugePage : 64);
  auto* memory = static_cast<float*>(std::aligned_alloc(huge ? kHugePage : 64, bytes));
  if (!memory) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (huge) madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: it spares thousands of page faults
#endif
  return {memory, bytes};
}

// What a thread has given back: the blocks of a head and of the thread itself, as the last call took them.
class Kept {
 public:
  ~Kept() {
    for (auto& block : blocks_) std::free(block.memory);
  }

  // The smallest block of at least so many bytes; none if there is none.
  Scratch::Block take(int64_t bytes) {
    Scratch::Block* best = nullptr;
    for (auto& block : blocks_) {
      if (block.bytes >= bytes && (!best || block.bytes < best->bytes)) best = &block;
    }
    return best ? std::exchange(*best, {}) : Scratch::Block{};
  }

  // The smallest one goes where there is no room.
  void give(Scratch::Block block) {
    if (block.bytes <= kMost) {
      auto& smallest = *std::min_element(std::begin(blocks_), std::end(blocks_),
                                         [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
      if (smallest.bytes < block.bytes) std::swap(smallest, block);
    }
    std::free(block.memory);
  }

 private:
  static constexpr int64_t kMost = int64_t{64} << 20;  // beyond, making the memory takes less than using it
  Scratch::Block blocks_[3];
};

thread_local Kept kept;

}  // namespace

void Scratch::take(int64_t floats) {
  const int64_t bytes = std::max(floats, kLanes) * static_cast<int64_t>(sizeof(float));
  block_ = kept.take(bytes);
  if (!block_.memory) block_ = allocate(bytes);
  if (poison) std::memset(block_.memory, kNotANumber, bytes);
}

Scratch::~Scratch() { kept.give(block_); }

void poison_scratch(bool on) { poison = on; }

}  // namespace saobp::attention::cpu
