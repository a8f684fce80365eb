#include "saobp/attention/cpu/backward_rows.h"

#include <algorithm>

#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/backward_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

// One row of the first sweep. kRefine: strength ≠ 0; kLogarithms: the row needs the logarithmic form.
template <bool kRefine, bool kLogarithms, bool kDropout>
void gradient_row(const BackwardBlock& block, int64_t i, const SavedRows& saved, const Messages& messages,
                  const DropoutBlock* dropout, float kept_scale, float* column_gradient) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const DropoutRow mask(kDropout ? dropout->row_keys[i] : 0, kDropout ? dropout->threshold : 0);
  const auto logsumexp = hn::Set(f, saved.logsumexp[i]), delta = hn::Set(f, saved.delta[i]);
  const auto decay = hn::Set(f, messages.decay), scale = hn::Set(f, kept_scale);
  const auto ratio = hn::Set(f, kRefine && !kLogarithms ? saved.fold_ratio[i] : 1.0f);
  const auto refined_logsumexp = hn::Set(f, kLogarithms ? saved.refined_logsumexp[i] : 0.0f);
  for (int64_t column = 0; column < block.scores.columns; column += kTileColumns) {
    float* scores = row_segment(block.scores, i, column);
    float* gradient = row_segment(block.gradient, i, column);
    float* weights = row_segment(block.weights, i, column);
    const int64_t count = std::min(kTileColumns, block.scores.columns - column);
    for (int64_t k = 0; k < count; k += lanes) {
      const auto s = hn::LoadU(f, scores + k);
      const auto a = exp2(hn::Sub(s, logsumexp));
      auto b = a;
      if (kRefine && !kLogarithms) {
        const auto w = hn::Mul(hn::LoadU(f, saved.column_weights + column + k), ratio);
        b = hn::Mul(a, messages.exclude_self ? hn::Div(w, message(a, decay)) : w);
      } else if (kRefine) {
        auto logit = hn::Sub(hn::Add(s, hn::LoadU(f, saved.column_bias + column + k)), refined_logsumexp);
        if (messages.exclude_self) logit = hn::Sub(logit, log2(message(a, decay)));
        b = exp2(logit);
      }
      auto dropped = b;
      if (kDropout) dropped = hn::Mul(mask.keep(b, dropout->columns + column + k), scale);
      const auto dz = hn::MulSub(dropped, hn::LoadU(f, gradient + k), hn::Mul(b, delta));
      hn::StoreU(dropped, f, weights + k);
      hn::StoreU(dz, f, gradient + k);
      if (kRefine) {
        hn::StoreU(a, f, scores + k);
        hn::StoreU(hn::Add(hn::LoadU(f, column_gradient + column + k), dz), f, column_gradient + column + k);
      }
    }
  }
}

// Columns past the last real one take part as "no such key".
void hide_missing(const BackwardBlock& block, int64_t i) {
  for (int64_t k = block.real_columns; k < block.scores.columns; ++k) {
    row_segment(block.scores, i, k)[k % kTileColumns] = -std::numeric_limits<float>::infinity();
  }
}

template <bool kDropout>
void refined_rows(const BackwardBlock& block, const SavedRows& saved, const Messages& messages,
                  const DropoutBlock* dropout, float kept_scale, float* column_gradient) {
  for (int64_t i = 0; i < block.scores.rows; ++i) {
    hide_missing(block, i);
    const auto row = saved.fold_ratio[i] > 0 ? gradient_row<true, false, kDropout> : gradient_row<true, true, kDropout>;
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

// y = dZ + A ⊙ dA into the gradient block and E = Σ A dA, then dS = y − A E.
void ScoreGradient(const Block& attention, const Block& gradient, const Messages& messages, float t,
                   const float* column_gradient) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto decay = hn::Set(f, messages.decay), minus_t = hn::Set(f, -t);
  for (int64_t i = 0; i < attention.rows; ++i) {
    auto sum = hn::Zero(f);
    for (int64_t column = 0; column < attention.columns; column += kTileColumns) {
      const float* a_row = row_segment(attention, i, column);
      float* g_row = row_segment(gradient, i, column);
      const int64_t count = std::min(kTileColumns, attention.columns - column);
      for (int64_t k = 0; k < count; k += lanes) {
        const auto a = hn::LoadU(f, a_row + k), dz = hn::LoadU(f, g_row + k);
        auto dm = hn::LoadU(f, column_gradient + column + k);
        if (messages.exclude_self) dm = hn::Sub(dm, dz);
        const auto weighted = hn::Div(hn::Mul(hn::Mul(a, minus_t), dm), message(a, decay));
        sum = hn::Add(sum, weighted);
        hn::StoreU(hn::Add(dz, weighted), f, g_row + k);
      }
    }
    const auto total = hn::SumOfLanes(f, sum);
    for (int64_t column = 0; column < attention.columns; column += kTileColumns) {
      const float* a_row = row_segment(attention, i, column);
      float* g_row = row_segment(gradient, i, column);
      const int64_t count = std::min(kTileColumns, attention.columns - column);
      for (int64_t k = 0; k < count; k += lanes) {
        hn::StoreU(hn::NegMulAdd(hn::LoadU(f, a_row + k), total, hn::LoadU(f, g_row + k)), f, g_row + k);
      }
    }
  }
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

void score_gradient(const Block& attention, const Block& gradient, const Messages& messages, float t,
                    const float* column_gradient) {
  HWY_DYNAMIC_DISPATCH(ScoreGradient)(attention, gradient, messages, t, column_gradient);
}

}  // namespace saobp::attention::cpu
#endif
