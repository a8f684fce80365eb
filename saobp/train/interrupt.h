// SIGINT and SIGTERM as a question that a loop asks between two pieces of work.
#pragma once

namespace saobp::train {

// While an object lives, the first signal is remembered; a second one ends the program at once.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;

  static bool interrupted();
};

}  // namespace saobp::train
