#include "saobp/model/dropout.h"

#include <ATen/Parallel.h>

#include <cmath>

namespace saobp::model {
namespace {

// The finaliser of MurmurHash3 over a counter: cheap, and every output bit depends on every input bit.
inline uint32_t hash(uint32_t index, uint32_t key) {
  uint32_t h = index * 0x9E3779B9u ^ key;
  h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
  h = (h ^ (h >> 13)) * 0xC2B2AE35u;
  return h ^ (h >> 16);
}

// out = residual + x ⊙ R, or x ⊙ R where residual is null.
template <class T>
void apply(const T* x, const T* residual, T* out, int64_t n, double p, uint64_t seed) {
  // An element is dropped when its 32-bit hash is below p · 2³².
  const auto threshold = static_cast<uint32_t>(std::min(std::ldexp(p, 32), 4294967295.0));
  const T scale = static_cast<T>(1.0 / (1.0 - p));
  const auto key = static_cast<uint32_t>(derive_seed(seed, 0));
  at::parallel_for(0, n, 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T kept = hash(static_cast<uint32_t>(i), key) < threshold ? T(0) : x[i] * scale;
      out[i] = residual ? residual[i] + kept : kept;
    }
  });
}

torch::Tensor masked(const torch::Tensor& x, const std::optional<torch::Tensor>& residual, double p, uint64_t seed) {
  auto source = x.contiguous();
  auto added = residual ? residual->contiguous() : torch::Tensor();
  auto out = torch::empty_like(source);
  AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "dropout", [&] {
    apply<scalar_t>(source.const_data_ptr<scalar_t>(), added.defined() ? added.const_data_ptr<scalar_t>() : nullptr,
                    out.mutable_data_ptr<scalar_t>(), source.numel(), p, seed);
  });
  return out;
}

struct DropoutAdd : torch::autograd::Function<DropoutAdd> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const std::optional<torch::Tensor>& residual, double p, int64_t seed) {
    context->saved_data["p"] = p;
    context->saved_data["seed"] = seed;
    context->saved_data["added"] = residual.has_value();
    return masked(x, residual, p, static_cast<uint64_t>(seed));
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list gradients) {
    auto seed = static_cast<uint64_t>(context->saved_data["seed"].toInt());
    auto dx = masked(gradients[0], std::nullopt, context->saved_data["p"].toDouble(), seed);
    return {dx, context->saved_data["added"].toBool() ? gradients[0] : torch::Tensor(), {}, {}};
  }
};

}  // namespace

uint64_t derive_seed(uint64_t seed, uint64_t site) {
  // SplitMix64 (Steele et al. 2014).
  uint64_t z = seed + 0x9E3779B97F4A7C15ull * (site + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

torch::Tensor dropout_add(const torch::Tensor& x, const torch::Tensor& residual, double p, uint64_t seed) {
  TORCH_CHECK(x.sizes() == residual.sizes(), "dropout_add: x has shape ", x.sizes(), ", residual has ",
              residual.sizes(), "; they must agree");
  if (p == 0) return x + residual;
  return DropoutAdd::apply(x, std::optional<torch::Tensor>(residual), p, static_cast<int64_t>(seed));
}

torch::Tensor dropout(const torch::Tensor& x, double p, uint64_t seed) {
  return p == 0 ? x : DropoutAdd::apply(x, std::optional<torch::Tensor>(), p, static_cast<int64_t>(seed));
}

}  // namespace saobp::model
