#include <algorithm>
#include <vector>

#include "saobp/attention/cpu/causal_rows.h"
#include "saobp/attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saobp/attention/cpu/causal_gradient_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "saobp/attention/cpu/causal-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

void CausalAttention(const BackwardBlock& block, const SavedRows& saved, const Messages& messages,
                     const ColumnState& state) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f), columns = block.scores.columns;
  const auto decay = hn::Set(f, messages.decay);
  std::fill(state.gained, state.gained + columns, 0.0);
  const auto reset = [&] { std::fill(state.products, state.products + columns, 1.0f); };
  reset();
  for (int64_t i = 0; i < block.scores.rows; ++i) {
    if (i > 0 && i % messages.fold == 0) {
      gather_products(state, columns);
      reset();
    }
    const Block row = visible_row(block.scores, i, block.visible[i]);
    const auto maximum = hn::Set(f, saved.row_max[i]), inverse = hn::Set(f, saved.inverse_sum[i]);
    const bool folds = saved.fold_ratio[i] > 0;
    for_segments(row, i, [&](float* x, int64_t column, int64_t count) HWY_ATTR {
      float* products = state.products + column;
      for (int64_t k = 0; k < count; k += lanes) {
        const auto a = attention_of(hn::LoadU(f, x + k), maximum, inverse);
        hn::StoreU(hn::Mul(hn::LoadU(f, products + k), message(a, decay)), f, products + k);
        if (folds) hn::StoreU(a, f, x + k);
      }
    });
  }
  gather_products(state, columns);
}

// What the rows of a block leave for the way back.
struct RowTotals {
  float inverse[kTileRows];     // 1 / Σ B
  float correction[kTileRows];  // Σ B (x − D₀) / Σ B, see backward_rows.cpp
};

// One row on the way forth: weights → B, negative where dropped; gradient → x − D₀; the row's messages into the
// products.
template <bool kLogarithms, bool kDropout>
void weigh_row(const BackwardBlock& block, const Block& row, int64_t i, const SavedRows& saved,
               const Messages& messages, const DropoutBlock* dropout, float kept_scale, const ColumnState& state,
               float share, RowTotals& totals) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const DropoutRow mask(kDropout ? dropout->row_keys[i] : 0, kDropout ? dropout->threshold : 0);
  const auto maximum = hn::Set(f, saved.row_max[i]), inverse_sum = hn::Set(f, saved.inverse_sum[i]);
  const auto delta = hn::Set(f, saved.delta[i]), decay = hn::Set(f, messages.decay), scale = hn::Set(f, kept_scale);
  const auto factor = hn::Set(f, share);
  const auto ratio = hn::Set(f, saved.fold_ratio[i]), logsumexp = hn::Set(f, saved.refined_logsumexp[i]);
  auto weight_sum = hn::Zero(f), correction_sum = hn::Zero(f);
  for_segments(row, i, [&](float* scores, int64_t column, int64_t count) HWY_ATTR {
    float* gradient = row_segment(block.gradient, i, column);
    float* weights = row_segment(block.weights, i, column);
    float* products = state.products + column;
    for (int64_t k = 0; k < count; k += lanes) {
      const auto loaded = hn::LoadU(f, scores + k), before = hn::LoadU(f, products + k);
      const auto a = kLogarithms ? attention_of(loaded, maximum, inverse_sum) : loaded;
      const auto after = hn::Mul(before, message(a, decay));
      const auto product = messages.exclude_self ? before : after;
      auto b = a;
      if (kLogarithms) {
        const auto bias = hn::Add(hn::LoadU(f, state.bias + column + k), log2(product));
        b = exp2(hn::Sub(hn::MulAdd(factor, bias, loaded), logsumexp));
        hn::StoreU(a, f, scores + k);
      } else {
        b = hn::Mul(hn::Mul(a, ratio), hn::Mul(hn::LoadU(f, state.weights + column + k), product));
      }
      auto x = hn::LoadU(f, gradient + k);
      auto signed_weight = b;
      if (kDropout) {
        const auto kept = mask.kept(dropout->columns + column + k);
        x = hn::IfThenElseZero(kept, hn::Mul(x, scale));
        signed_weight = hn::IfThenElse(kept, b, hn::Neg(b));
      }
      const auto difference = hn::Sub(x, delta);
      weight_sum = hn::Add(weight_sum, b);
      correction_sum = hn::MulAdd(b, difference, correction_sum);
      hn::StoreU(signed_weight, f, weights + k);
      hn::StoreU(difference, f, gradient + k);
      hn::StoreU(after, f, products + k);
    }
  });
  totals.inverse[i] = 1.0f / hn::GetLane(hn::SumOfLanes(f, weight_sum));
  totals.correction[i] = hn::GetLane(hn::SumOfLanes(f, correction_sum)) * totals.inverse[i];
}

// One row on the way back: gradient → dZ, also into the later rows' sum; weights → B ⊙ R; weighted = A dm/u. Returns
// its sum.
template <bool kDropout>
float return_row(const BackwardBlock& block, const Block& row, int64_t i, const Messages& messages, float kept_scale,
                 const RowTotals& totals, const LaterRows& later, float* weighted) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  const auto decay = hn::Set(f, messages.decay), scale = hn::Set(f, kept_scale);
  const auto share = hn::Set(f, later.shares[i]);
  const auto inverse = hn::Set(f, totals.inverse[i]), correction = hn::Set(f, totals.correction[i]);
  auto sum = hn::Zero(f);
  for_segments(row, i, [&](const float* attention, int64_t column, int64_t count) HWY_ATTR {
    float* gradient = row_segment(block.gradient, i, column);
    float* weights = row_segment(block.weights, i, column);
    for (int64_t k = 0; k < count; k += lanes) {
      const auto w = hn::Mul(hn::LoadU(f, weights + k), inverse);
      const auto b = kDropout ? hn::Abs(w) : w;
      const auto dz = hn::Mul(b, hn::Sub(hn::LoadU(f, gradient + k), correction));
      const auto before = hn::LoadU(f, later.in_block + column + k), after = hn::MulAdd(share, dz, before);
      const auto dm = hn::Add(hn::LoadU(f, later.after_block + column + k), messages.exclude_self ? before : after);
      const auto a = hn::LoadU(f, attention + k);
      const auto through_message = message_gradient(a, dm, decay);
      sum = hn::Add(sum, through_message);
      hn::StoreU(through_message, f, weighted + column + k);
      hn::StoreU(kDropout ? hn::Mul(hn::Max(w, hn::Zero(f)), scale) : w, f, weights + k);
      hn::StoreU(dz, f, gradient + k);
      hn::StoreU(after, f, later.in_block + column + k);
    }
  });
  return hn::GetLane(hn::SumOfLanes(f, sum));
}

template <bool kDropout>
double gradient_rows(const BackwardBlock& block, const SavedRows& saved, const Messages& messages, float t,
                     const DropoutBlock* dropout, float kept_scale, const ColumnState& state, const LaterRows& later,
                     float* weighted) {
  const int64_t columns = block.scores.columns;
  const auto row_of = [&](int64_t i) {
    return Block{block.scores.data, block.scores.rows, round_up(block.visible[i], kLanes)};
  };
  RowTotals totals;
  begin_columns(state, columns);
  for (int64_t i = 0; i < block.scores.rows; ++i) {
    if (i > 0 && i % messages.fold == 0) renormalise(state, columns);
    const auto row = saved.fold_ratio[i] > 0 ? weigh_row<false, kDropout> : weigh_row<true, kDropout>;
    row(block, row_of(i), i, saved, messages, dropout, kept_scale, state, later.shares[i], totals);
  }
  double result = 0;
  for (int64_t i = block.scores.rows - 1; i >= 0; --i) {
    const Block row = row_of(i);
    const float sum = return_row<kDropout>(block, row, i, messages, kept_scale, totals, later, weighted);
    finish_row(row, block.gradient, i, weighted, t, sum);
    fill_columns(block.gradient, i, row.columns, columns, 0.0f);
    fill_columns(block.weights, i, row.columns, columns, 0.0f);
    result += sum;
  }
  return result;
}

double CausalGradient(const BackwardBlock& block, const SavedRows& saved, const Messages& messages, float t,
                      const DropoutBlock* dropout, float kept_scale, const ColumnState& state, const LaterRows& later,
                      float* weighted) {
  const auto rows = dropout ? gradient_rows<true> : gradient_rows<false>;
  return rows(block, saved, messages, t, dropout, kept_scale, state, later, weighted);
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saobp::attention::cpu {

HWY_EXPORT(CausalAttention);
HWY_EXPORT(CausalGradient);

void causal_attention(const BackwardBlock& block, const SavedRows& saved, const Messages& messages,
                      const ColumnState& state) {
  HWY_DYNAMIC_DISPATCH(CausalAttention)(block, saved, messages, state);
}

double causal_gradient(const BackwardBlock& block, const SavedRows& saved, const Messages& messages, float t,
                       const DropoutBlock* dropout, float kept_scale, const ColumnState& state,
                       const LaterRows& later) {
  std::vector<float> row(block.scores.columns);
  return HWY_DYNAMIC_DISPATCH(CausalGradient)(block, saved, messages, t, dropout, kept_scale, state, later, row.data());
}

}  // namespace saobp::attention::cpu
#endif
