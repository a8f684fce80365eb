// Element-wise work of the causal form on one block of rows, vectorised. docs/method.md, sections 3 and 4.
//
// Row j meets the messages of the rows before it: B_jk ∝ A_jk 2^(s_j c_jk) with c_jk = Σ_{i<j} log2 u_ik and the row's
// share s_j, which is 1 but where a strength_length is exceeded; such rows take the logarithmic form. While the rows of
// a block go by, 2^c is held as a weight for each column, made anew every Messages::fold rows, times the product of the
// u since then. Nothing here looks at a column before the rows that see it: what a row gives depends on the tokens up
// to it alone, to the last bit.
#pragma once

#include <cstdint>

#include "saobp/attention/cpu/backward_rows.h"
#include "saobp/attention/cpu/forward_rows.h"
#include "saobp/attention/cpu/layout.h"

namespace saobp::attention::cpu {

// Of each column of a block; the caller sets `start`.
struct ColumnState {
  double* start;    // c before the block's first row
  double* gained;   // what the rows of the block added to it up to the last renormalisation; at the end, all of them
  float* bias;      // start + gained − its maximum over the columns
  float* weights;   // 2^bias
  float* products;  // Π u since the last renormalisation

  // Names its parts, for a Scratch.
  template <class Place>
  void describe(Place& place, int64_t columns) {
    place(start, columns);
    place(gained, columns);
    place(bias, columns);
    place(weights, columns);
    place(products, columns);
  }
};

// Of the rows of a block.
struct CausalStatistics {
  RowStatistics attention[kTileRows], refined[kTileRows];
};

// scores → p = e · weight, 0 from visible[i] on, and row_total[i] = Σ p, so that B = p / total; with e, row_max and
// inverse_sum as in exponentials(). `statistics` may be null.
void causal_rows(const Block& scores, const int64_t* visible, const Messages& messages, const ColumnState& state,
                 float* row_max, float* inverse_sum, float* row_total, CausalStatistics* statistics);

// The form that cannot underflow, for the rows whose fold_ratio is 0: scores → B, and the logsumexp of their logits.
// `shares`: s_j of each row.
void causal_logarithmic_rows(const Block& scores, const int64_t* visible, const Messages& messages,
                             const ColumnState& state, const float* row_max, const float* inverse_sum,
                             const float* fold_ratio, const float* shares, float* refined_logsumexp,
                             RowStatistics* statistics);

// Backward, first half: scores → A (but S in rows whose fold_ratio is 0), 0 (−∞) from visible[i] on, and state.gained.
void causal_attention(const BackwardBlock& block, const SavedRows& saved, const Messages& messages,
                      const ColumnState& state);

// s_j dZ summed over rows.
struct LaterRows {
  const float* after_block;  // of all rows after the block
  float* in_block;           // of the block's: 0 at first, all of them at the end
  const float* shares;       // s_j of the block's rows, by which their dZ is multiplied here
};

// Second half, after causal_attention and with state.start set: gradient → dS, weights → B ⊙ R, scores → A. Returns
// Σ dm ⊙ A/u, which is −∂L/∂t.
double causal_gradient(const BackwardBlock& block, const SavedRows& saved, const Messages& messages, float t,
                       const DropoutBlock* dropout, float kept_scale, const ColumnState& state, const LaterRows& later);

}  // namespace saobp::attention::cpu
