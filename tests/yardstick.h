// What tests of accuracy share (CONTRIBUTING.md, "Tolerances").
#pragma once

#include <ATen/ATen.h>

namespace saobp::tests {

// Half a unit in the last place, of 1.
inline constexpr double kFloatRounding = 0x1p-24, kBFloat16Rounding = 0x1p-9;

inline at::Generator generator_of(uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); }

// In double, every element off by up to `rounding` of itself. What the exact result changes by then is what rounding
// its inputs, or what is made of them one by one, may do to it: a floor that no machine has a part in.
inline at::Tensor nudged(const at::Tensor& tensor, double rounding, at::Generator& generator) {
  const auto exact = tensor.detach().to(at::kDouble);
  return exact * (1 + rounding * (2 * at::rand(exact.sizes(), generator, exact.options()) - 1));
}

}  // namespace saobp::tests
