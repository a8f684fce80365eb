// How long a thread that waits for others spins before it sleeps.
//
// OpenMP's threads meet several hundred times in a training step. LibTorch's runtime (GNU's) has them spin for about a
// millisecond each time, which costs nothing on a machine of one's own; where other programs want the processor too,
// the spinning ones take it from those that they wait for, and a step takes many times as long. So the program asks for
// a short spin, unless the environment says how to wait: GOMP_SPINCOUNT or OMP_WAIT_POLICY.
#pragma once

#include <string>

namespace saobp::cli {

// What is in force, for people: "GOMP_SPINCOUNT=10000".
std::string openmp_waits();

}  // namespace saobp::cli
