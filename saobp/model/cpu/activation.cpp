#include <ATen/Parallel.h>

#include <algorithm>
#include <numbers>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/targets.h"
#include "saobp/model/cpu/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/model/cpu/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/simd-inl.h"
#include "saobp/model/cpu/columns-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::model::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using attention::cpu::HWY_NAMESPACE::exp2;
using attention::cpu::HWY_NAMESPACE::load;
using attention::cpu::HWY_NAMESPACE::store;

constexpr float kLog2E = std::numbers::log2e_v<float>;

// Each has value(x) and slope(x), its derivative.

// x Φ(x), Φ(x) = ½ (1 + erf z) with z = x/√2. erf as z p(z²)/q(z²) on [−4, 4], the coefficients of Eigen's float erf: Φ
// to 5e-8 for |x| < ½, where most values are, and to 2e-7 everywhere.
struct Gelu {
  template <class Tag>
  HWY_INLINE static hn::Vec<Tag> cumulative(Tag f, hn::Vec<Tag> x) {
    const auto four = hn::Set(f, 4.0f), half = hn::Set(f, 0.5f);
    const auto scaled = hn::Mul(x, hn::Set(f, 1 / std::numbers::sqrt2_v<float>));
    const auto z = hn::IfThenElse(hn::IsNaN(x), x, hn::Max(hn::Neg(four), hn::Min(scaled, four)));
    const auto z2 = hn::Mul(z, z);
    auto p = hn::MulAdd(hn::Set(f, -2.72614225801306e-10f), z2, hn::Set(f, 2.77068142495902e-08f));
    p = hn::MulAdd(p, z2, hn::Set(f, -2.10102402082508e-06f));
    p = hn::MulAdd(p, z2, hn::Set(f, -5.69250639462346e-05f));
    p = hn::MulAdd(p, z2, hn::Set(f, -7.34990630326855e-04f));
    p = hn::MulAdd(p, z2, hn::Set(f, -2.95459980854025e-03f));
    p = hn::MulAdd(p, z2, hn::Set(f, -1.60960333262415e-02f));
    auto q = hn::MulAdd(hn::Set(f, -1.45660718464996e-05f), z2, hn::Set(f, -2.13374055278905e-04f));
    q = hn::MulAdd(q, z2, hn::Set(f, -1.68282697438203e-03f));
    q = hn::MulAdd(q, z2, hn::Set(f, -7.37332916720468e-03f));
    q = hn::MulAdd(q, z2, hn::Set(f, -1.42647390514189e-02f));
    return hn::MulAdd(half, hn::Div(hn::Mul(z, p), q), half);
  }

  template <class Tag>
  HWY_INLINE static hn::Vec<Tag> value(Tag f, hn::Vec<Tag> x) {
    return hn::Mul(x, cumulative(f, x));
  }

  // Φ(x) + x φ(x)
  template <class Tag>
  HWY_INLINE static hn::Vec<Tag> slope(Tag f, hn::Vec<Tag> x) {
    const auto bell = exp2(f, hn::Mul(hn::Mul(x, x), hn::Set(f, -0.5f * kLog2E)));
    constexpr float kDensity = std::numbers::inv_sqrtpi_v<float> / std::numbers::sqrt2_v<float>;
    return hn::MulAdd(hn::Mul(x, hn::Set(f, kDensity)), bell, cumulative(f, x));
  }
};

// ½ x (1 + tanh u), u = √(2/π) (x + 0.044715 x³). With e = exp(−2u): ½ (1 + tanh u) = s = 1/(1 + e), and 1 − s is
// taken as e s, since where s is nearly 1 a difference would keep few of its digits.
struct GeluTanh {
  static constexpr float kSlope = 0.7978845608f, kCubic = 0.044715f;

  template <class Tag>
  HWY_INLINE static hn::Vec<Tag> exponential(Tag f, hn::Vec<Tag> x) {
    const auto inner = hn::Mul(x, hn::MulAdd(hn::Mul(x, x), hn::Set(f, kCubic), hn::Set(f, 1.0f)));
    const auto exponent = hn::Min(hn::Mul(inner, hn::Set(f, -2 * kSlope * kLog2E)), hn::Set(f, 126.0f));
    return exp2(f, hn::IfThenElse(hn::IsNaN(inner), inner, exponent));
  }

  template <class Tag>
  HWY_INLINE static hn::Vec<Tag> value(Tag f, hn::Vec<Tag> x) {
    return hn::Div(x, hn::Add(hn::Set(f, 1.0f), exponential(f, x)));
  }

  template <class Tag>
  HWY_INLINE static hn::Vec<Tag> slope(Tag f, hn::Vec<Tag> x) {
    const auto one = hn::Set(f, 1.0f), e = exponential(f, x), s = hn::Div(one, hn::Add(one, e));
    const auto du = hn::Mul(hn::Set(f, 2 * kSlope), hn::MulAdd(hn::Mul(x, x), hn::Set(f, 3 * kCubic), one));
    return hn::Mul(s, hn::MulAdd(hn::Mul(x, du), hn::Mul(e, s), one));
  }
};

struct Relu {
  template <class Tag>
  HWY_INLINE static hn::Vec<Tag> value(Tag f, hn::Vec<Tag> x) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Max(x, hn::Zero(f)));
  }

  template <class Tag>
  HWY_INLINE static hn::Vec<Tag> slope(Tag f, hn::Vec<Tag> x) {
    return hn::IfThenElseZero(hn::Gt(x, hn::Zero(f)), hn::Set(f, 1.0f));
  }
};

template <class Work>
HWY_INLINE void with_activation(Activation kind, Work&& work) {
  if (kind == Activation::gelu) return work(Gelu());
  if (kind == Activation::gelu_tanh) return work(GeluTanh());
  work(Relu());
}

template <class Tag, class T>
HWY_INLINE hn::Vec<Tag> biased(Tag f, const T* x, const float* bias, int64_t k) {
  const auto v = load(f, x + k);
  return bias ? hn::Add(v, hn::LoadU(f, bias + k)) : v;
}

template <class T>
HWY_INLINE void forward_row(Activation kind, int64_t channels, const T* x, const float* bias, T* out) {
  with_activation(kind, [&]<class Kind>(Kind) {
    over_columns(channels, [&](auto f, int64_t k) { store(f, Kind::value(f, biased(f, x, bias, k)), out + k); });
  });
}

template <class T>
HWY_INLINE void backward_row(Activation kind, int64_t channels, const T* x, const float* bias, const T* upstream,
                             T* gradient, float* sums) {
  with_activation(kind, [&]<class Kind>(Kind) {
    over_columns(channels, [&](auto f, int64_t k) {
      const auto g = hn::Mul(load(f, upstream + k), Kind::slope(f, biased(f, x, bias, k)));
      store(f, g, gradient + k);
      hn::StoreU(hn::Add(g, hn::LoadU(f, sums + k)), f, sums + k);
    });
  });
}

#define SAOBP_ACTIVATION(NAME, T)                                                                                    \
  void Activation##NAME(Activation kind, int64_t channels, const T* x, const float* bias, T* out) {                  \
    forward_row(kind, channels, x, bias, out);                                                                       \
  }                                                                                                                  \
  void ActivationBackward##NAME(Activation kind, int64_t channels, const T* x, const float* bias, const T* upstream, \
                                T* gradient, float* sums) {                                                          \
    backward_row(kind, channels, x, bias, upstream, gradient, sums);                                                 \
  }
SAOBP_ACTIVATION(Float, float)
SAOBP_ACTIVATION(BFloat16, c10::BFloat16)
#undef SAOBP_ACTIVATION

}  // namespace saobp::model::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::model::cpu {

#define SAOBP_ACTIVATION(NAME, T)                                                                               \
  HWY_EXPORT(Activation##NAME);                                                                                 \
  HWY_EXPORT(ActivationBackward##NAME);                                                                         \
  template <>                                                                                                   \
  void activation<T>(Activation kind, int64_t rows, int64_t channels, const T* x, const float* bias, T* out) {  \
    attention::cpu::apply_environment();                                                                        \
    at::parallel_for(0, rows, kRowsABlock / 2, [&](int64_t begin, int64_t end) {                                \
      for (int64_t row = begin; row < end; ++row)                                                               \
        HWY_DYNAMIC_DISPATCH(Activation##NAME)(kind, channels, x + row * channels, bias, out + row * channels); \
    });                                                                                                         \
  }                                                                                                             \
  template <>                                                                                                   \
  void activation_backward<T>(Activation kind, int64_t rows, int64_t channels, const T* x, const float* bias,   \
                              const T* out_gradient, T* x_gradient, float* partial) {                           \
    attention::cpu::apply_environment();                                                                        \
    at::parallel_for(0, blocks_of(rows), 1, [&](int64_t begin, int64_t end) {                                   \
      for (int64_t block = begin; block < end; ++block) {                                                       \
        float* sums = partial + block * channels;                                                               \
        std::fill_n(sums, channels, 0.0f);                                                                      \
        const int64_t last = std::min(rows, (block + 1) * kRowsABlock);                                         \
        for (int64_t n = block * kRowsABlock * channels; n < last * channels; n += channels)                    \
          HWY_DYNAMIC_DISPATCH(ActivationBackward##NAME)(kind, channels, x + n, bias, out_gradient + n,         \
                                                         x_gradient + n, sums);                                 \
      }                                                                                                         \
    });                                                                                                         \
  }
SAOBP_ACTIVATION(Float, float)
SAOBP_ACTIVATION(BFloat16, c10::BFloat16)
#undef SAOBP_ACTIVATION

}  // namespace saobp::model::cpu
#endif
