#include "saobp/model/dropout.h"

#include <algorithm>
#include <cmath>

#include "saobp/attention/dropout.h"

namespace saobp::model {

cpu::Dropout kernel_dropout(double p, uint64_t seed) {
  if (p == 0) return {};
  return {static_cast<uint32_t>(derive_seed(seed, 0)), static_cast<uint32_t>(std::min(std::ldexp(p, 32), 4294967295.0)),
          static_cast<float>(1.0 / (1.0 - p))};
}

// MurmurHash3's finaliser over the element's index, in 64-bit integers of which the lower halves count.
torch::Tensor dropout_mask(const torch::Tensor& like, double p, uint64_t seed) {
  constexpr int64_t kLow = 0xFFFFFFFF;
  const auto kernel = kernel_dropout(p, seed);
  const auto mixed = [](const torch::Tensor& h, int64_t shift) { return h.bitwise_xor(h.bitwise_right_shift(shift)); };
  auto h = torch::arange(like.numel(), like.options().dtype(torch::kInt64).requires_grad(false));
  h = (h.bitwise_and(kLow) * 0x9E3779B9).bitwise_and(kLow).bitwise_xor(static_cast<int64_t>(kernel.key));
  h = (mixed(h, 16) * 0x85EBCA6B).bitwise_and(kLow);
  h = (mixed(h, 13) * 0xC2B2AE35).bitwise_and(kLow);
  h = mixed(h, 16);
  const auto kept = h >= static_cast<int64_t>(kernel.threshold);
  return kept.to(like.scalar_type()).mul_(1.0 / (1.0 - p)).view(like.sizes());
}

uint64_t derive_seed(uint64_t seed, uint64_t site) {
  return attention::dropout_mix(seed + attention::kDropoutStep * (site + 1));  // SplitMix64 (Steele et al. 2014)
}

}  // namespace saobp::model
