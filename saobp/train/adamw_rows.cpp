#include "saobp/train/adamw_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/train/adamw_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/model/cpu/columns-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::train::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using model::cpu::HWY_NAMESPACE::over_columns;

void DecayRow(float keep, int64_t columns, float* p) {
  over_columns(columns,
               [&](auto f, int64_t k) { hn::StoreU(hn::Mul(hn::LoadU(f, p + k), hn::Set(f, keep)), f, p + k); });
}

// gradient: null where it is zero.
void UpdateRow(const AdamWStep& u, int64_t columns, const float* gradient, float* p, float* m, float* v) {
  over_columns(columns, [&](auto f, int64_t k) {
    const auto g = gradient ? hn::Div(hn::LoadU(f, gradient + k), hn::Set(f, u.gradient_divisor)) : hn::Zero(f);
    const auto old = hn::LoadU(f, m + k);
    const auto average = hn::MulAdd(hn::Set(f, u.one_minus_beta1), hn::Sub(g, old), old);
    const auto square =
        hn::MulAdd(hn::Mul(g, g), hn::Set(f, u.one_minus_beta2), hn::Mul(hn::LoadU(f, v + k), hn::Set(f, u.beta2)));
    const auto deviation = hn::Add(hn::Div(hn::Sqrt(square), hn::Set(f, u.root)), hn::Set(f, u.epsilon));
    const auto kept = hn::Mul(hn::LoadU(f, p + k), hn::Set(f, u.keep));
    hn::StoreU(average, f, m + k);
    hn::StoreU(square, f, v + k);
    hn::StoreU(hn::Sub(kept, hn::Div(hn::Mul(hn::Set(f, u.step), average), deviation)), f, p + k);
  });
}

}  // namespace saobp::train::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::train {

HWY_EXPORT(DecayRow);
HWY_EXPORT(UpdateRow);

void adamw_rows(const AdamWStep& update, int64_t rows, int64_t columns, const float* gradient,
                const int64_t* gradient_row, bool* moving, float* parameter, float* exp_avg, float* exp_avg_sq) {
  attention::cpu::apply_environment();
  const auto update_row = [&](int64_t row) {
    const int64_t first = row * columns;
    const float* own = gradient_row[row] < 0 ? nullptr : gradient + gradient_row[row] * columns;
    moving[row] |= own != nullptr;
    if (moving[row])
      HWY_DYNAMIC_DISPATCH(UpdateRow)(update, columns, own, parameter + first, exp_avg + first, exp_avg_sq + first);
    else if (update.keep != 1)
      HWY_DYNAMIC_DISPATCH(DecayRow)(update.keep, columns, parameter + first);
  };
  // Vocabularies begin with the tokens that are read most: each share takes blocks from all over the table.
  constexpr int64_t kShares = 64, kRowsABlock = 16;
  at::parallel_for(0, kShares, 1, [&](int64_t begin, int64_t end) {
    for (int64_t share = begin; share < end; ++share)
      for (int64_t block = share * kRowsABlock; block < rows; block += kShares * kRowsABlock)
        for (int64_t row = block; row < std::min(rows, block + kRowsABlock); ++row) update_row(row);
  });
}

}  // namespace saobp::train
#endif
