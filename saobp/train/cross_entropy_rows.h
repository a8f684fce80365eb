// The vectorised loop of linear_cross_entropy.h.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace saobp::train {

// For each row x = logits + bias of logits [rows][columns], rows `stride` apart: losses[row] = log Σ exp x − x[target].
// With `gradient` the row becomes (softmax(x) − one-hot(target)) · scale; else it is left as it was. bias [columns] may
// be null. T: float or c10::BFloat16; everything in between is float. Rows go over the threads. An infinite or NaN
// logit makes the row's loss NaN or infinite. bias_partial [row_blocks(rows)][columns], if wanted: the gradients
// (before they are rounded to T) summed over each block's rows.
template <class T>
void cross_entropy_rows(T* logits, const float* bias, int64_t rows, int64_t columns, int64_t stride,
                        const int64_t* targets, bool gradient, float scale, double* losses, float* bias_partial);

// Few rows, so that the blocks of a small batch keep all threads busy; yet many enough that their sums are few.
inline constexpr int64_t kRowsABlock = 16;
inline int64_t row_blocks(int64_t rows) { return (rows + kRowsABlock - 1) / kRowsABlock; }

}  // namespace saobp::train
