// SIGINT, SIGTERM and SIGHUP as a question that a loop asks between two pieces of work.
#pragma once

namespace saobp::train {

// Thrown where a signal ends work that keeps nothing.
struct Interrupted {};

// While an object lives, the first signal is remembered; a second one ends the program at once. A signal that the
// program was started to ignore stays ignored.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;

  static bool interrupted();
  // As if a signal had come.
  static void interrupt();
};

}  // namespace saobp::train
