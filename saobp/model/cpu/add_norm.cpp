#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/targets.h"
#include "saobp/model/cpu/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/model/cpu/add_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/simd-inl.h"
#include "saobp/model/cpu/columns-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::model::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using attention::cpu::HWY_NAMESPACE::load;
using attention::cpu::HWY_NAMESPACE::store;

// Dropout's factor for the elements n, n + 1, …: 0 or scale. The hash is MurmurHash3's finaliser over a counter.
template <class Tag>
HWY_INLINE hn::Vec<Tag> dropout_factor(Tag f, const Dropout& dropout, uint32_t n) {
  const hn::RebindToUnsigned<Tag> words;
  const auto elements = hn::Add(hn::Iota(words, 0), hn::Set(words, n));  // Iota(words, n) is built lane by lane
  auto h = hn::Xor(hn::Mul(elements, hn::Set(words, 0x9E3779B9u)), hn::Set(words, dropout.key));
  h = hn::Mul(hn::Xor(h, hn::ShiftRight<16>(h)), hn::Set(words, 0x85EBCA6Bu));
  h = hn::Mul(hn::Xor(h, hn::ShiftRight<13>(h)), hn::Set(words, 0xC2B2AE35u));
  h = hn::Xor(h, hn::ShiftRight<16>(h));
  const auto dropped = hn::RebindMask(f, hn::Lt(h, hn::Set(words, dropout.threshold)));
  return hn::IfThenZeroElse(dropped, hn::Set(f, dropout.scale));
}

// The row's sum → into[channels], as floats, rounded to T where it is also stored; returns its mean.
template <class T>
HWY_INLINE float sum_row(const AddNorm<T>& p, int64_t row, T* stored, float* into) {
  const int64_t first = row * p.channels;
  Total total;
  over_columns(p.channels, [&](auto f, int64_t k) {
    auto v = hn::Zero(f);
    if (p.x) {
      v = load(f, p.x + first + k);
      if (p.bias) v = hn::Add(v, hn::LoadU(f, p.bias + k));
      if (p.dropout.threshold) v = hn::Mul(v, dropout_factor(f, p.dropout, static_cast<uint32_t>(first + k)));
    }
    if (p.residual) v = hn::Add(v, load(f, p.residual + first + k));
    if (stored) {
      store(f, v, stored + first + k);
      v = load(f, stored + first + k);
    }
    hn::StoreU(v, f, into + k);
    total.add(f, v);
  });
  return total.value() / static_cast<float>(p.channels);
}

HWY_INLINE float variance_of(const float* row, int64_t channels, float mean) {
  Total total;
  over_columns(channels, [&](auto f, int64_t k) {
    const auto d = hn::Sub(hn::LoadU(f, row + k), hn::Set(f, mean));
    total.add(f, hn::Mul(d, d));
  });
  return total.value() / static_cast<float>(channels);
}

template <class T>
HWY_INLINE void forward_rows(const AddNorm<T>& p, int64_t begin, int64_t end, T* sum, T* normed, float* means,
                             float* inverse_deviations) {
  std::vector<float> row_values(static_cast<size_t>(p.channels));
  float* values = row_values.data();
  for (int64_t row = begin; row < end; ++row) {
    const float mean = sum_row(p, row, sum, values);
    if (!p.weight) continue;
    const float inverse = 1.0f / std::sqrt(variance_of(values, p.channels, mean) + p.eps);
    if (means) means[row] = mean, inverse_deviations[row] = inverse;
    over_columns(p.channels, [&](auto f, int64_t k) {
      const auto scaled = hn::Mul(hn::Sub(hn::LoadU(f, values + k), hn::Set(f, mean)), hn::Set(f, inverse));
      store(f, hn::MulAdd(scaled, hn::LoadU(f, p.weight + k), hn::LoadU(f, p.offset + k)),
            normed + row * p.channels + k);
    });
  }
}

// The gradient of the row's sum through LayerNorm, without the factor inverse_deviation: g·w − mean(g·w) − x̂ ·
// mean(g·w·x̂). Needs two sweeps; the first makes the means and the sums for weight and offset.
template <class T>
struct NormGradient {
  const T *sum, *upstream;
  const float* weight;
  float mean, inverse, upstream_mean = 0, projected_mean = 0;

  template <class Tag>
  HWY_INLINE hn::Vec<Tag> normed(Tag f, int64_t k) const {
    return hn::Mul(hn::Sub(load(f, sum + k), hn::Set(f, mean)), hn::Set(f, inverse));
  }

  HWY_INLINE void first_sweep(int64_t channels, float* weight_sums, float* offset_sums) {
    Total upstream_total, projected_total;
    over_columns(channels, [&](auto f, int64_t k) {
      const auto g = load(f, upstream + k), x = normed(f, k), weighted = hn::Mul(g, hn::LoadU(f, weight + k));
      upstream_total.add(f, weighted);
      projected_total.add(f, hn::Mul(weighted, x));
      hn::StoreU(hn::MulAdd(g, x, hn::LoadU(f, weight_sums + k)), f, weight_sums + k);
      hn::StoreU(hn::Add(g, hn::LoadU(f, offset_sums + k)), f, offset_sums + k);
    });
    upstream_mean = upstream_total.value() / static_cast<float>(channels);
    projected_mean = projected_total.value() / static_cast<float>(channels);
  }

  template <class Tag>
  HWY_INLINE hn::Vec<Tag> operator()(Tag f, int64_t k) const {
    const auto weighted = hn::Mul(load(f, upstream + k), hn::LoadU(f, weight + k));
    const auto centred = hn::Sub(weighted, hn::Set(f, upstream_mean));
    return hn::Mul(hn::NegMulAdd(normed(f, k), hn::Set(f, projected_mean), centred), hn::Set(f, inverse));
  }
};

template <class T>
HWY_INLINE void backward_row(const AddNorm<T>& p, const AddNormGradients<T>& g, int64_t row, float* bias_sums,
                             float* weight_sums, float* offset_sums) {
  const int64_t first = row * p.channels;
  NormGradient<T> through_norm{};
  if (g.normed_gradient) {
    through_norm = {g.sum + first, g.normed_gradient + first, p.weight, g.mean[row], g.inverse_deviation[row]};
    through_norm.first_sweep(p.channels, weight_sums, offset_sums);
  }
  over_columns(p.channels, [&](auto f, int64_t k) {
    auto gradient = g.normed_gradient ? through_norm(f, k) : hn::Zero(f);
    if (g.sum_gradient) gradient = hn::Add(gradient, load(f, g.sum_gradient + first + k));
    store(f, gradient, g.residual_gradient + first + k);
    if (g.x_gradient) {
      gradient = hn::Mul(gradient, dropout_factor(f, p.dropout, static_cast<uint32_t>(first + k)));
      store(f, gradient, g.x_gradient + first + k);
    }
    if (p.bias) hn::StoreU(hn::Add(gradient, hn::LoadU(f, bias_sums + k)), f, bias_sums + k);
  });
}

template <class T>
HWY_INLINE void backward_block(const AddNorm<T>& p, const AddNormGradients<T>& g, int64_t block) {
  float* partial = g.partial + block * 3 * p.channels;
  std::fill_n(partial, 3 * p.channels, 0.0f);
  const int64_t end = std::min(p.rows, (block + 1) * kRowsABlock);
  for (int64_t row = block * kRowsABlock; row < end; ++row)
    backward_row(p, g, row, partial, partial + p.channels, partial + 2 * p.channels);
}

#define SAOBP_ADD_NORM(NAME, T)                                                                                      \
  void AddNorm##NAME(const AddNorm<T>& p, int64_t begin, int64_t end, T* sum, T* normed, float* means, float* inv) { \
    forward_rows(p, begin, end, sum, normed, means, inv);                                                            \
  }                                                                                                                  \
  void AddNormBackward##NAME(const AddNorm<T>& p, const AddNormGradients<T>& g, int64_t block) {                     \
    backward_block(p, g, block);                                                                                     \
  }
SAOBP_ADD_NORM(Float, float)
SAOBP_ADD_NORM(BFloat16, c10::BFloat16)
#undef SAOBP_ADD_NORM

}  // namespace saobp::model::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::model::cpu {

#define SAOBP_ADD_NORM(NAME, T)                                                                                   \
  HWY_EXPORT(AddNorm##NAME);                                                                                      \
  HWY_EXPORT(AddNormBackward##NAME);                                                                              \
  template <>                                                                                                     \
  void add_norm<T>(const AddNorm<T>& p, T* sum, T* normed, float* means, float* inverse_deviations) {             \
    attention::cpu::apply_environment();                                                                          \
    at::parallel_for(0, p.rows, kRowsABlock / 2, [&](int64_t begin, int64_t end) {                                \
      HWY_DYNAMIC_DISPATCH(AddNorm##NAME)(p, begin, end, sum, normed, means, inverse_deviations);                 \
    });                                                                                                           \
  }                                                                                                               \
  template <>                                                                                                     \
  void add_norm_backward<T>(const AddNorm<T>& p, const AddNormGradients<T>& g) {                                  \
    attention::cpu::apply_environment();                                                                          \
    at::parallel_for(0, blocks_of(p.rows), 1, [&](int64_t begin, int64_t end) {                                   \
      for (int64_t block = begin; block < end; ++block) HWY_DYNAMIC_DISPATCH(AddNormBackward##NAME)(p, g, block); \
    });                                                                                                           \
  }
SAOBP_ADD_NORM(Float, float)
SAOBP_ADD_NORM(BFloat16, c10::BFloat16)
#undef SAOBP_ADD_NORM

}  // namespace saobp::model::cpu
#endif
