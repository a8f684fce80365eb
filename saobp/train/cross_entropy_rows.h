// The vectorised loop of linear_cross_entropy.h.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace saobp::train {

// For each row x = logits + bias of logits [rows][columns], rows `stride` apart: losses[row] = log Σ exp x − x[target].
// With `gradient` the row becomes (softmax(x) − one-hot(target)) · scale; else it is left as it was. bias [columns] may
// be null. T: float or c10::BFloat16; everything in between is float. Rows go over the threads. An infinite or NaN
// logit makes the row's loss NaN or infinite.
template <class T>
void cross_entropy_rows(T* logits, const float* bias, int64_t rows, int64_t columns, int64_t stride,
                        const int64_t* targets, bool gradient, float scale, double* losses);

}  // namespace saobp::train
