// Matrix products of the models: the CPU's by oneDNN where LibTorch hands it out.
#pragma once

#include "saobp/model/libtorch.h"

namespace saobp::model {

// out [M, N] = a [M, K] · b [K, N], or out += a · b with `add`. All of one type; strides are free. No gradients.
// float: LibTorch's own choice on the CPU is MKL, which leaves AVX-512 unused on processors that are not Intel's, so
// that oneDNN takes half the time there. bfloat16 on a processor that cannot multiply it is multiplied as float.
void matmul_into(const torch::Tensor& out, const torch::Tensor& a, const torch::Tensor& b, bool add = false);

// [rows, columns], neither written nor contiguous: every row begins on a cache line, and what lies behind the rows is
// 0. Operands that are views of longer rows are to come from here: where K is no multiple of its tile, oneDNN's AMX
// kernel for bfloat16 reads on behind a row and multiplies that with zeros, so that a NaN left there would become a
// result.
torch::Tensor aligned_rows(int64_t rows, int64_t columns, const torch::TensorOptions& options);
// The distance of its rows, in elements.
int64_t aligned_stride(int64_t columns);

// x [..., K] · weightᵀ + bias → [..., N] in the type of x; weight [N, K], bias [N] or undefined. Weights may be float
// where x is bfloat16: they are rounded for the products, and their gradients arrive in their own type.
torch::Tensor dense(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias = {});

}  // namespace saobp::model
