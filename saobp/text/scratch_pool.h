// Working memory that calls from many threads borrow and give back, so that encoding a line allocates nothing, and
// threads do not wait for each other.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace saobp::text {

// The smallest number that no other living thread has.
inline size_t thread_number() {
  struct Numbers {
    std::mutex mutex;
    std::vector<bool> taken;
  };
  static auto& numbers = *new Numbers;  // outlives every thread
  struct Number {
    size_t value = 0;
    Number() {
      std::lock_guard lock(numbers.mutex);
      while (value < numbers.taken.size() && numbers.taken[value]) ++value;
      if (value == numbers.taken.size()) numbers.taken.push_back(false);
      numbers.taken[value] = true;
    }
    ~Number() {
      std::lock_guard lock(numbers.mutex);
      numbers.taken[value] = false;
    }
  };
  thread_local const Number number;
  return number.value;
}

template <class T>
class ScratchPool {
  // A cache line for each thread. Those of a large number share one; then it may be empty, and the scratch is made
  // anew.
  struct alignas(64) Slot {
    std::atomic<T*> scratch{nullptr};
    ~Slot() { delete scratch.load(); }
  };

 public:
  class Lease {
   public:
    explicit Lease(Slot& slot) : slot_(slot), scratch_(slot.scratch.exchange(nullptr)) {
      if (!scratch_) scratch_ = std::make_unique<T>();
    }
    ~Lease() { scratch_.reset(slot_.scratch.exchange(scratch_.release())); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    T& operator*() { return *scratch_; }
    T* operator->() { return scratch_.get(); }

   private:
    Slot& slot_;
    std::unique_ptr<T> scratch_;
  };

  Lease borrow() { return Lease(slots_[thread_number() % slots_.size()]); }

 private:
  std::array<Slot, 64> slots_;
};

}  // namespace saobp::text
