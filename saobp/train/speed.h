// How fast a run trains: steps by the clock, in windows that leave out what lies between them (validation,
// checkpoints).
#pragma once

#include <cstdint>

#include "saobp/train/wording.h"

namespace saobp::train {

class Speed {
 public:
  void start_window() { start_ = Clock::now(), steps_ = 0; }
  void count_step() { ++steps_; }
  double seconds_a_step() const { return seconds_since(start_) / static_cast<double>(steps_); }

  // The window is kept, and the next one begins.
  void keep_window() {
    kept_seconds_ += seconds_since(start_), kept_steps_ += steps_;
    start_window();
  }
  // Of all windows that were kept.
  int64_t kept_steps() const { return kept_steps_; }
  double kept_seconds_a_step() const { return kept_seconds_ / static_cast<double>(kept_steps_); }

 private:
  Clock::time_point start_ = Clock::now();
  int64_t steps_ = 0, kept_steps_ = 0;
  double kept_seconds_ = 0;
};

}  // namespace saobp::train
