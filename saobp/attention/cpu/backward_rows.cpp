#include "saobp/attention/cpu/backward_rows.h"

#include <algorithm>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/backward_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

// One row of the first sweep. kRefine: strength ≠ 0; kLogarithms: the row needs the logarithmic form.
//
// dZ = B ⊙ (x − D) with x = R ⊙ g Vᵀ and D = Σ B x. Where a row has nearly all of its weight on one key, x − D cancels
// there, and any error of D would be all that is left. So the row is normalised by its own Σ B, and D is corrected from
// its estimate D₀ = g · O by D = D₀ + Σ B (x − D₀) / Σ B, which leaves exactly 0 for a weight of 1.
template <bool kRefine, bool kLogarithms, bool kDropout>
void gradient_row(const BackwardBlock& block, int64_t i, const SavedRows& saved, const Messages& messages,
                  const DropoutBlock* dropout, float kept_scale, float* column_gradient) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const DropoutRow mask(kDropout ? dropout->row_keys[i] : 0, kDropout ? dropout->threshold : 0);
  const auto row_max = hn::Set(f, saved.row_max[i]), inverse_sum = hn::Set(f, saved.inverse_sum[i]);
  const auto delta = hn::Set(f, saved.delta[i]), decay = hn::Set(f, messages.decay), scale = hn::Set(f, kept_scale);
  const auto ratio = hn::Set(f, kRefine && !kLogarithms ? saved.fold_ratio[i] : 1.0f);
  const auto refined_logsumexp = hn::Set(f, kLogarithms ? saved.refined_logsumexp[i] : 0.0f);
  auto weight_sum = hn::Zero(f), correction_sum = hn::Zero(f);
  for_segments(block.scores, i, [&](float* scores, int64_t column, int64_t count) HWY_ATTR {
    float* gradient = row_segment(block.gradient, i, column);
    float* weights = row_segment(block.weights, i, column);
    for (int64_t k = 0; k < count; k += lanes) {
      const auto s = hn::LoadU(f, scores + k);
      const auto a = attention_of(s, row_max, inverse_sum);
      auto b = a;
      if (kRefine && !kLogarithms) {
        const auto w = hn::Mul(hn::LoadU(f, saved.column_weights + column + k), ratio);
        b = hn::Mul(a, messages.exclude_self ? hn::Div(w, message(a, decay)) : w);
      } else if (kRefine) {
        const auto bias = hn::LoadU(f, saved.column_bias + column + k);
        b = exp2(hn::Sub(refined_logit(s, bias, a, decay, messages.exclude_self), refined_logsumexp));
      }
      auto x = hn::LoadU(f, gradient + k);
      auto signed_weight = b;
      if (kDropout) {  // until the second pass a minus sign marks what is dropped
        const auto kept = mask.kept(dropout->columns + column + k);
        x = hn::IfThenElseZero(kept, hn::Mul(x, scale));
        signed_weight = hn::IfThenElse(kept, b, hn::Neg(b));
      }
      const auto difference = hn::Sub(x, delta);
      weight_sum = hn::Add(weight_sum, b);
      correction_sum = hn::MulAdd(b, difference, correction_sum);
      if (kRefine) hn::StoreU(a, f, scores + k);
      hn::StoreU(signed_weight, f, weights + k);
      hn::StoreU(difference, f, gradient + k);
    }
  });
  const auto inverse = hn::Div(hn::Set(f, 1.0f), hn::SumOfLanes(f, weight_sum));
  const auto correction = hn::Mul(hn::SumOfLanes(f, correction_sum), inverse);
  for_segments(block.gradient, i, [&](float* gradient, int64_t column, int64_t count) HWY_ATTR {
    float* weights = row_segment(block.weights, i, column);
    for (int64_t k = 0; k < count; k += lanes) {
      const auto w = hn::Mul(hn::LoadU(f, weights + k), inverse);
      const auto b = kDropout ? hn::Abs(w) : w;
      const auto dz = hn::Mul(b, hn::Sub(hn::LoadU(f, gradient + k), correction));
      hn::StoreU(kDropout ? hn::Mul(hn::Max(w, hn::Zero(f)), scale) : w, f, weights + k);
      hn::StoreU(dz, f, gradient + k);
      if (kRefine) {
        hn::StoreU(hn::Add(hn::LoadU(f, column_gradient + column + k), dz), f, column_gradient + column + k);
      }
    }
  });
}

// Columns past the last one that the row sees take part as "no such key".
void hide_missing(const BackwardBlock& block, int64_t i) {
  const int64_t real = block.visible ? block.visible[i] : block.real_columns;
  fill_columns(block.scores, i, real, block.scores.columns, kMinusInfinity);
}

template <bool kDropout>
void refined_rows(const BackwardBlock& block, const SavedRows& saved, const Messages& messages,
                  const DropoutBlock* dropout, float kept_scale, float* column_gradient) {
  for (int64_t i = 0; i < block.scores.rows; ++i) {
    hide_missing(block, i);
    const bool folds = saved.fold_ratio[i] > 0;
    const auto row = folds ? gradient_row<true, false, kDropout> : gradient_row<true, true, kDropout>;
    row(block, i, saved, messages, dropout, kept_scale, column_gradient);
  }
}

void RefinedGradient(const BackwardBlock& block, const SavedRows& saved, const Messages& messages,
                     const DropoutBlock* dropout, float kept_scale, float* column_gradient) {
  if (dropout) return refined_rows<true>(block, saved, messages, dropout, kept_scale, column_gradient);
  refined_rows<false>(block, saved, messages, dropout, kept_scale, column_gradient);
}

void PlainGradient(const BackwardBlock& block, const SavedRows& saved, const DropoutBlock* dropout, float kept_scale) {
  const auto row = dropout ? gradient_row<false, false, true> : gradient_row<false, false, false>;
  for (int64_t i = 0; i < block.scores.rows; ++i) {
    hide_missing(block, i);
    row(block, i, saved, Messages{}, dropout, kept_scale, nullptr);
  }
}

// A dm/u of a row and its sum, which without the factor −t is the row's E and its part of the result; then dS.
// `weighted` is memory for one row.
double ScoreGradient(const Block& attention, const Block& gradient, const Messages& messages, float t,
                     const float* column_gradient, float* weighted) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto decay = hn::Set(f, messages.decay);
  double result = 0;
  for (int64_t i = 0; i < attention.rows; ++i) {
    auto sum = hn::Zero(f);
    for_segments(attention, i, [&](const float* a_row, int64_t column, int64_t count) HWY_ATTR {
      const float* g_row = row_segment(gradient, i, column);
      for (int64_t k = 0; k < count; k += lanes) {
        const auto a = hn::LoadU(f, a_row + k);
        auto dm = hn::LoadU(f, column_gradient + column + k);
        if (messages.exclude_self) dm = hn::Sub(dm, hn::LoadU(f, g_row + k));
        const auto w = message_gradient(a, dm, decay);
        sum = hn::Add(sum, w);
        hn::StoreU(w, f, weighted + column + k);
      }
    });
    const float total = hn::GetLane(hn::SumOfLanes(f, sum));
    finish_row(attention, gradient, i, weighted, t, total);
    result += total;
  }
  return result;
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <vector>

namespace saobp::attention::cpu {

HWY_EXPORT(RefinedGradient);
HWY_EXPORT(PlainGradient);
HWY_EXPORT(ScoreGradient);

void refined_gradient(const BackwardBlock& block, const SavedRows& saved, const Messages& messages,
                      const DropoutBlock* dropout, float kept_scale, double* column_gradient) {
  // 64 rows are added up in float, the blocks in double.
  std::vector<float> block_sum(block.scores.columns, 0.0f);
  HWY_DYNAMIC_DISPATCH(RefinedGradient)(block, saved, messages, dropout, kept_scale, block_sum.data());
  for (int64_t k = 0; k < block.scores.columns; ++k) column_gradient[k] += block_sum[k];
}

void plain_gradient(const BackwardBlock& block, const SavedRows& saved, const DropoutBlock* dropout, float kept_scale) {
  HWY_DYNAMIC_DISPATCH(PlainGradient)(block, saved, dropout, kept_scale);
}

double score_gradient(const Block& attention, const Block& gradient, const Messages& messages, float t,
                      const float* column_gradient) {
  std::vector<float> row(attention.columns);
  return HWY_DYNAMIC_DISPATCH(ScoreGradient)(attention, gradient, messages, t, column_gradient, row.data());
}

}  // namespace saobp::attention::cpu
#endif
