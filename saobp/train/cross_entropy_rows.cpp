#include "saobp/train/cross_entropy_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/train/cross_entropy_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace saobp::train::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;

HWY_INLINE float largest(const float* x, int64_t count) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  float maximum = x[0];
  int64_t k = 0;
  if (count >= lanes) {
    auto all = hn::LoadU(f, x);
    for (; k + lanes <= count; k += lanes) all = hn::Max(all, hn::LoadU(f, x + k));
    maximum = hn::GetLane(hn::MaxOfLanes(f, all));
  }
  for (; k < count; ++k) maximum = std::max(maximum, x[k]);
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
      const auto difference = hn::Sub(hn::LoadU(f, x + k), shift);
      // Highway's own would swallow a NaN.
      const auto e = hn::IfThenElse(hn::IsNaN(difference), difference, hn::Exp(f, difference));
      segment = hn::Add(segment, e);
      hn::StoreU(e, f, x + k);
    }
    sum += hn::GetLane(hn::SumOfLanes(f, segment));
    for (; k < stop; ++k) sum += x[k] = std::exp(x[k] - maximum);
  }
  return sum;
}

HWY_INLINE void scale_all(float* x, int64_t count, float factor) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto factors = hn::Set(f, factor);
  int64_t k = 0;
  for (; k + lanes <= count; k += lanes) hn::StoreU(hn::Mul(hn::LoadU(f, x + k), factors), f, x + k);
  for (; k < count; ++k) x[k] *= factor;
}

double CrossEntropyRow(float* x, int64_t columns, int64_t target, bool gradient, float scale) {
  const float maximum = largest(x, columns), chosen = x[target];
  const double sum = exponentials(x, columns, maximum);
  if (gradient) {
    scale_all(x, columns, static_cast<float>(scale / sum));
    x[target] -= scale;
  }
  return std::log(sum) + maximum - chosen;
}

}  // namespace saobp::train::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::train {

HWY_EXPORT(CrossEntropyRow);

void cross_entropy_rows(float* logits, int64_t rows, int64_t columns, int64_t stride, const int64_t* targets,
                        bool gradient, float scale, double* losses) {
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      losses[i] = HWY_DYNAMIC_DISPATCH(CrossEntropyRow)(logits + i * stride, columns, targets[i], gradient, scale);
    }
  });
}

}  // namespace saobp::train
#endif
