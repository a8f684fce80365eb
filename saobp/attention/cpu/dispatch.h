// Which instruction set the kernels use: the best one that the processor has, or the one that the environment variable
// SAOBP_SIMD names ("avx512", "avx2", "baseline").
#pragma once

#include <string>
#include <vector>

namespace saobp::attention::cpu {

// "avx512", "avx2" or "baseline": what the next kernel call will use.
const char* target_name();

// The names that this processor supports (or the one that it was restricted to), best first.
std::vector<std::string> supported_targets();

// Makes later calls use that target; "" goes back to the best one, or to SAOBP_SIMD's. Throws c10::Error for a name
// that is not supported.
void use_target(const std::string& name);

// Whether a target below avx512 was asked for: then the matrix products, too, take the way of a machine without it.
bool older_machine();

// Reads SAOBP_SIMD, once; the kernels call it before they dispatch.
void apply_environment();

}  // namespace saobp::attention::cpu
