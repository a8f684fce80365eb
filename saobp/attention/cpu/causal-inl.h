// The running state of a causal block's columns (causal_rows.h), compiled for each target.

// clang-format off
#if defined(SAOBP_ATTENTION_CPU_CAUSAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAOBP_ATTENTION_CPU_CAUSAL_INL_H_
#undef SAOBP_ATTENTION_CPU_CAUSAL_INL_H_
#else
#define SAOBP_ATTENTION_CPU_CAUSAL_INL_H_
#endif
// clang-format on

#include "saobp/attention/cpu/causal_rows.h"
#include "saobp/attention/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saobp::attention::cpu::HWY_NAMESPACE {

// The block cut off after the columns that row i sees (rounded up to 16); those it does not see become −∞.
HWY_INLINE Block visible_row(const Block& block, int64_t i, int64_t visible) {
  const Block row{block.data, block.rows, round_up(visible, kLanes)};
  fill_columns(row, i, visible, row.columns, kMinusInfinity);
  return row;
}

// Weights from c as it stands. Columns that no row has seen yet have c = 0, whatever their keys hold: so the maximum
// tells nothing of later tokens.
HWY_INLINE void weigh_columns(const ColumnState& state, int64_t columns) {
  const Floats f;
  double lanes[8];  // columns are a multiple of 16
  for (int64_t n = 0; n < 8; ++n) lanes[n] = state.start[n] + state.gained[n];
  for (int64_t k = 8; k < columns; k += 8) {
    for (int64_t n = 0; n < 8; ++n) {
      const double c = state.start[k + n] + state.gained[k + n];
      lanes[n] = lanes[n] < c ? c : lanes[n];
    }
  }
  const double largest = *std::max_element(lanes, lanes + 8);
  for (int64_t k = 0; k < columns; ++k) {
    state.bias[k] = static_cast<float>(state.start[k] + state.gained[k] - largest);
  }
  for (int64_t k = 0; k < columns; k += hn::Lanes(f)) {
    hn::StoreU(exp2(hn::LoadU(f, state.bias + k)), f, state.weights + k);
    hn::StoreU(hn::Set(f, 1.0f), f, state.products + k);
  }
}

// gained += log2 of the products
HWY_INLINE void gather_products(const ColumnState& state, int64_t columns) {
  const Floats f;
  const int64_t lanes = hn::Lanes(f);
  HWY_ALIGN float logarithms[kLanes];
  for (int64_t k = 0; k < columns; k += lanes) {
    hn::Store(log2(hn::LoadU(f, state.products + k)), f, logarithms);
    for (int64_t n = 0; n < lanes; ++n) state.gained[k + n] += logarithms[n];
  }
}

HWY_INLINE void begin_columns(const ColumnState& state, int64_t columns) {
  std::fill(state.gained, state.gained + columns, 0.0);
  weigh_columns(state, columns);
}

HWY_INLINE void renormalise(const ColumnState& state, int64_t columns) {
  gather_products(state, columns);
  weigh_columns(state, columns);
}

}  // namespace saobp::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
