#include "saobp/attention/cpu/products.h"

#include <ATen/native/CPUBlas.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <cmath>
#include <exception>
#include <vector>

#include "saobp/attention/cpu/dispatch.h"

namespace saobp::attention::cpu {
namespace {

// The product by way of ATen's matrix multiplication, which takes the BLAS: what brgemm comes down to on a machine
// without AVX-512.
void multiply_by_blas(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
                      float* c, int64_t ldc, bool add) {
  const auto matrix = [](const float* data, int64_t rows, int64_t columns, int64_t ld) {
    return at::from_blob(const_cast<float*>(data), {rows, columns}, {ld, 1}, at::TensorOptions(at::kFloat));
  };
  const auto left = matrix(a, m, k, lda), right = matrix(b, k, n, ldb);
  auto result = matrix(c, m, n, ldc);
  if (add) {
    at::addmm_out(result, result, left, right);
  } else {
    at::mm_out(result, left, right);
  }
}

// One product of small integers, which has no rounding, added to 1: whether the machine gives its exact result.
bool multiplies_rightly(int64_t m, int64_t n, int64_t k, int64_t stride) {
  std::vector<BFloat16> a(m * k), b(k * stride);
  std::vector<float> c(m * stride, 1.0f);
  const auto left = [](int64_t i, int64_t d) { return static_cast<float>((3 * i + 5 * d) % 7 - 3); };
  const auto right = [](int64_t d, int64_t j) { return static_cast<float>((2 * d + 3 * j) % 5 - 2); };
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t d = 0; d < k; ++d) a[i * k + d] = left(i, d);
  }
  for (int64_t d = 0; d < k; ++d) {
    for (int64_t j = 0; j < n; ++j) b[d / 2 * 2 * stride + 2 * j + d % 2] = right(d, j);
  }
  multiply(m, n, k, a.data(), k, b.data(), stride, c.data(), stride, /*add=*/true);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < stride; ++j) {
      float expected = 1;
      for (int64_t d = 0; j < n && d < k; ++d) expected += left(i, d) * right(d, j);
      if (c[i * stride + j] != expected) return false;
    }
  }
  return true;
}

// ATen refuses what the processor cannot do, and oneDNN, with an error of its own, what its environment variables
// forbid it. The kernels' shapes are tried, since few machines of each kind could be tested.
bool try_bfloat16() {
  const ProductsDone done;
  try {
    return multiplies_rightly(64, 128, 64, 128) && multiplies_rightly(8, 16, 32, 128) &&
           multiplies_rightly(24, 112, 96, 128) && multiplies_rightly(64, 40, 128, 40);
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

bool multiplies_bfloat16() {
  if (older_machine()) return false;
  static const bool answer = try_bfloat16();
  return answer;
}

ProductsDone::~ProductsDone() { at::native::cpublas::brgemm_release(); }

void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
              int64_t ldc, bool add) {
  if (older_machine()) return multiply_by_blas(m, n, k, a, lda, b, ldb, c, ldc, add);
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, add, a, b, c, /*is_vnni=*/false);
}

void multiply(int64_t m, int64_t n, int64_t k, const BFloat16* a, int64_t lda, const BFloat16* b, int64_t ldb, float* c,
              int64_t ldc, bool add) {
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, add, a, b, c, /*is_vnni=*/true);
}

template <class E>
void multiply_into_block(const Block& block, int64_t m, PackedOf<E> rows, int64_t depth, const E* transposed) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    multiply(m, std::min(kTileColumns, block.columns - column), depth, rows.data, rows.stride,
             transposed + column * depth, kTileColumns, row_segment(block, 0, column), kTileColumns, false);
  }
}

template <class E>
void multiply_block(const BlockOf<E>& block, int64_t m, PackedOf<E> columns, int64_t channels, float* target) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    multiply(m, channels, depth_of<E>(std::min(kTileColumns, block.columns - column)), row_segment(block, 0, column),
             kTileColumns, columns.data + column * columns.stride, columns.stride, target, channels, column > 0);
  }
}

template <class E>
void accumulate_transposed(const E* rows_transposed, const BlockOf<E>& block, int64_t depth, int64_t channels,
                           float* transposed, bool add) {
  for (int64_t column = 0; column < block.columns; column += kTileColumns) {
    multiply(channels, std::min(kTileColumns, block.columns - column), depth, rows_transposed, kTileRows,
             row_segment(block, 0, column), kTileColumns, transposed + column * channels, kTileColumns, add);
  }
}

#define SAOBP_PRODUCTS(E)                                                                   \
  template void multiply_into_block(const Block&, int64_t, PackedOf<E>, int64_t, const E*); \
  template void multiply_block(const BlockOf<E>&, int64_t, PackedOf<E>, int64_t, float*);   \
  template void accumulate_transposed(const E*, const BlockOf<E>&, int64_t, int64_t, float*, bool);
SAOBP_PRODUCTS(float)
SAOBP_PRODUCTS(BFloat16)
#undef SAOBP_PRODUCTS

}  // namespace saobp::attention::cpu
