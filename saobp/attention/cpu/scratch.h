// Memory of the kernels. A thread keeps the last blocks that it gave back: taking them anew from the system for each
// call means that it clears them, which takes up to a third of a call's time.
#pragma once

#include <cstdint>

#include "saobp/attention/cpu/layout.h"

namespace saobp::attention::cpu {

// One aligned allocation, cut into parts that are named once: `describe(place)` calls place(pointer, count) for each,
// which sets the pointer to memory for so many, or to null for none. It is called twice, to measure and to hand out, so
// the pointers stand before the scratch among a class' members. Given back by the thread that took it.
class Scratch {
 public:
  template <class Describe>
  explicit Scratch(const Describe& describe) {
    Parts parts;
    describe(parts);
    take(parts.floats);
    parts = {block_.memory};
    describe(parts);
  }
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  struct Parts {
    float* memory = nullptr;  // null while they are measured
    int64_t floats = 0;       // of the parts so far

    template <class T>
    void operator()(T*& pointer, int64_t count) {
      pointer = memory && count > 0 ? reinterpret_cast<T*>(memory + floats) : nullptr;
      floats += round_up(count * static_cast<int64_t>(sizeof(T) / sizeof(float)), kLanes);
    }
  };

  struct Block {
    float* memory = nullptr;
    int64_t bytes = 0;
  };

 private:
  void take(int64_t floats);
  Block block_;
};

// For tests: from now on scratch memory is filled with NaN when it is handed out, so that it shows who reads what was
// never written.
void poison_scratch(bool on);

}  // namespace saobp::attention::cpu
