// Loops over the columns of a row, compiled once for each instruction set (see hwy/foreach_target.h).

// clang-format off
#if defined(SAOBP_MODEL_CPU_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAOBP_MODEL_CPU_COLUMNS_INL_H_
#undef SAOBP_MODEL_CPU_COLUMNS_INL_H_
#else
#define SAOBP_MODEL_CPU_COLUMNS_INL_H_
#endif
// clang-format on

#include <hwy/highway.h>

#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace saobp::model::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using OneFloat = hn::CappedTag<float, 1>;

// work(tag, first column) for whole vectors, then column by column for what is left.
template <class Work>
HWY_INLINE void over_columns(int64_t columns, Work&& work) {
  const int64_t lanes = hn::Lanes(Floats());
  int64_t k = 0;
  for (; k + lanes <= columns; k += lanes) work(Floats(), k);
  for (; k < columns; ++k) work(OneFloat(), k);
}

// A sum over a row: lane by lane, and one for the columns that fill no vector.
class Total {
 public:
  HWY_INLINE Total() : lanes_(hn::Zero(Floats())) {}  // written out: what the compiler adds itself has no target

  template <class Tag>
  HWY_INLINE void add(Tag, hn::Vec<Tag> v) {
    if constexpr (std::is_same_v<Tag, Floats>) {
      lanes_ = hn::Add(lanes_, v);
    } else {
      rest_ += hn::GetLane(v);
    }
  }
  HWY_INLINE float value() const { return hn::GetLane(hn::SumOfLanes(Floats(), lanes_)) + rest_; }

 private:
  hn::Vec<Floats> lanes_;
  float rest_ = 0;
};

}  // namespace saobp::model::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
