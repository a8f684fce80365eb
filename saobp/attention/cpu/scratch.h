// Memory of the kernels. A thread keeps the last blocks that it gave back: taking them anew from the system for each
// call means that it clears them, which takes up to a third of a call's time.
#pragma once

#include <cstdint>

namespace saobp::attention::cpu {

// One aligned allocation that hands out parts of itself. Given back by the thread that took it.
class Scratch {
 public:
  explicit Scratch(int64_t floats);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  float* floats(int64_t count);
  double* doubles(int64_t count) { return reinterpret_cast<double*>(floats(2 * count)); }

  struct Block {
    float* memory = nullptr;
    int64_t bytes = 0;
  };

 private:
  Block block_;
  int64_t used_ = 0, size_;
};

// For tests: from now on scratch memory is filled with NaN when it is handed out, so that it shows who reads what was
// never written.
void poison_scratch(bool on);

}  // namespace saobp::attention::cpu
