#include "saobp/train/cross_entropy_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/train/cross_entropy_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::train::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using attention::cpu::HWY_NAMESPACE::exp2;
using attention::cpu::HWY_NAMESPACE::load;
using attention::cpu::HWY_NAMESPACE::store;
using Floats = attention::cpu::HWY_NAMESPACE::Floats;
constexpr float kLog2E = std::numbers::log2e_v<float>;

// x = logits + bias; returns the largest.
template <class T>
HWY_INLINE float add_bias(const T* logits, const float* bias, int64_t count, float* x) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  auto all = hn::Set(f, -INFINITY);
  int64_t k = 0;
  for (; k + lanes <= count; k += lanes) {
    auto v = load(f, logits + k);
    if (bias) v = hn::Add(v, hn::LoadU(f, bias + k));
    hn::StoreU(v, f, x + k);
    all = hn::Max(all, v);
  }
  float maximum = hn::GetLane(hn::MaxOfLanes(f, all));
  for (; k < count; ++k) {
    x[k] = static_cast<float>(logits[k]) + (bias ? bias[k] : 0.0f);
    maximum = std::max(maximum, x[k]);
  }
  return maximum;
}

// x → exp(x − maximum); returns the sum. Segments are added up by themselves: in one long sum in float the small terms
// of a large vocabulary would be lost.
HWY_INLINE double exponentials(float* x, int64_t count, float maximum) {
  constexpr int64_t kSegment = 1024;
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto shift = hn::Set(f, maximum);
  double sum = 0;
  for (int64_t start = 0; start < count; start += kSegment) {
    const int64_t stop = std::min(count, start + kSegment);
    auto segment = hn::Zero(f);
    int64_t k = start;
    for (; k + lanes <= stop; k += lanes) {
      const auto e = exp2(f, hn::Mul(hn::Sub(hn::LoadU(f, x + k), shift), hn::Set(f, kLog2E)));
      segment = hn::Add(segment, e);
      hn::StoreU(e, f, x + k);
    }
    sum += hn::GetLane(hn::SumOfLanes(f, segment));
    for (; k < stop; ++k) sum += x[k] = std::exp(x[k] - maximum);
  }
  return sum;
}

// out = x · factor, also added to `sums` if there are any.
template <class T>
HWY_INLINE void scale_into(const float* x, int64_t count, float factor, T* out, float* sums) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto factors = hn::Set(f, factor);
  int64_t k = 0;
  for (; k + lanes <= count; k += lanes) {
    const auto scaled = hn::Mul(hn::LoadU(f, x + k), factors);
    store(f, scaled, out + k);
    if (sums) hn::StoreU(hn::Add(hn::LoadU(f, sums + k), scaled), f, sums + k);
  }
  for (; k < count; ++k) {
    out[k] = static_cast<T>(x[k] * factor);
    if (sums) sums[k] += x[k] * factor;
  }
}

// x [columns] is room to work in.
template <class T>
HWY_INLINE double cross_entropy_row(T* logits, const float* bias, int64_t columns, int64_t target, bool gradient,
                                    float scale, float* x, float* bias_sums) {
  const float maximum = add_bias(logits, bias, columns, x), chosen = x[target];
  const double sum = exponentials(x, columns, maximum);
  if (gradient) {
    const auto factor = static_cast<float>(scale / sum);
    scale_into(x, columns, factor, logits, bias_sums);
    logits[target] = static_cast<T>(x[target] * factor - scale);
    if (bias_sums) bias_sums[target] -= scale;
  }
  return std::log(sum) + maximum - chosen;
}

#define SAOBP_CROSS_ENTROPY(NAME, T)                                                                         \
  double CrossEntropyRow##NAME(T* logits, const float* bias, int64_t columns, int64_t target, bool gradient, \
                               float scale, float* x, float* bias_sums) {                                    \
    return cross_entropy_row(logits, bias, columns, target, gradient, scale, x, bias_sums);                  \
  }
SAOBP_CROSS_ENTROPY(Float, float)
SAOBP_CROSS_ENTROPY(BFloat16, c10::BFloat16)
#undef SAOBP_CROSS_ENTROPY

}  // namespace saobp::train::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::train {

#define SAOBP_CROSS_ENTROPY(NAME, T)                                                                              \
  HWY_EXPORT(CrossEntropyRow##NAME);                                                                              \
  template <>                                                                                                     \
  void cross_entropy_rows<T>(T * logits, const float* bias, int64_t rows, int64_t columns, int64_t stride,        \
                             const int64_t* targets, bool gradient, float scale, double* losses,                  \
                             float* bias_partial) {                                                               \
    attention::cpu::apply_environment();                                                                          \
    at::parallel_for(0, row_blocks(rows), 1, [&](int64_t begin, int64_t end) {                                    \
      std::vector<float> x(static_cast<size_t>(columns));                                                         \
      for (int64_t block = begin; block < end; ++block) {                                                         \
        float* sums = bias_partial ? bias_partial + block * columns : nullptr;                                    \
        if (sums) std::fill_n(sums, columns, 0.0f);                                                               \
        for (int64_t i = block * kRowsABlock; i < std::min(rows, (block + 1) * kRowsABlock); ++i)                 \
          losses[i] = HWY_DYNAMIC_DISPATCH(CrossEntropyRow##NAME)(logits + i * stride, bias, columns, targets[i], \
                                                                  gradient, scale, x.data(), sums);               \
      }                                                                                                           \
    });                                                                                                           \
  }
SAOBP_CROSS_ENTROPY(Float, float)
SAOBP_CROSS_ENTROPY(BFloat16, c10::BFloat16)
#undef SAOBP_CROSS_ENTROPY

}  // namespace saobp::train
#endif
