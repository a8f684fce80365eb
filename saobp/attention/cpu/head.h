// What the forward and the backward kernel share: which rows of a head are real, the derived constants, scratch memory,
// and the matrix products on tiles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "saobp/attention/cpu/forward_rows.h"
#include "saobp/attention/cpu/kernel.h"
#include "saobp/attention/cpu/layout.h"
#include "saobp/attention/cpu/packing.h"

namespace saobp::attention::cpu {

// So much of an L×L matrix of one head is kept from the first sweep for the second one; the rest is made again. (Per
// matrix and thread; 16 MB: all up to L = 2048. Larger than most caches' share, but reading it beats making it.)
inline constexpr int64_t kKeptFloats = int64_t{1} << 22;

// How many blocks of a head, from the first on, are kept between two sweeps; 0 where one sweep is enough, or one block.
int64_t blocks_kept(const Problem& problem);

// The constants of a call, for one of its query heads (the strengths may differ).
struct Constants {
  explicit Constants(const Problem& problem, int64_t head = 0);
  bool refine;           // strength ≠ 0, or its gradient is wanted
  double strength;       // signed λ
  float score_scale;     // log2 e / √channels: scores to base 2
  float gradient_scale;  // 1 / √channels
  float t;               // 1 − e^{−λ}
  Messages messages;
  bool dropout;
  uint32_t dropout_threshold;
  float kept_scale;  // 1 / (1 − p)
};

// The real rows of one batch row: padding takes no part in anything, and in the causal form neither do the queries
// before the first real key, which see none.
struct RealRows {
  RealRows(const Problem& problem, int64_t batch);
  Indices queries, keys;         // original positions
  std::vector<int64_t> visible;  // causal: so many of the keys each query sees; else empty
  int64_t key_columns;           // number of keys, rounded up to 16
  int64_t row_blocks() const { return divide_up(queries.size(), kTileRows); }
  int64_t column_tiles() const { return divide_up(keys.size(), kTileColumns); }
  // Rows of a block, and what the matrix products take for it: rounded up to 8, so that they see few shapes.
  int64_t block_rows(int64_t block) const;
  int64_t product_rows(int64_t block) const { return round_up(block_rows(block), 8); }
  // What the rows of a block see: so many columns in all, rounded up to 16, and each of them (null: every key).
  int64_t block_columns(int64_t block) const;
  const int64_t* block_visible(int64_t block) const {
    return visible.empty() ? nullptr : visible.data() + block * kTileRows;
  }
};

// One aligned allocation that hands out parts of itself.
class Scratch {
 public:
  explicit Scratch(int64_t floats);
  float* floats(int64_t count);
  double* doubles(int64_t count) { return reinterpret_cast<double*>(floats(2 * count)); }

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float, Free> memory_;
  int64_t used_ = 0, size_;
};

// The keys of the dropout rows of a block.
void dropout_row_keys(const Problem& problem, int64_t head, const uint32_t* queries, int64_t rows, uint64_t* keys);

// C[m][n] (+)= A[m][k] B[k][n], row-major with leading dimensions.
void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
              int64_t ldc, bool add);

// Neighbouring rows of a matrix.
struct Packed {
  const float* data;
  int64_t stride;
};

// The real rows from `first` on, `count` of them and zero rows up to `padded`: where they lie if they are floats and
// lie there so, else copied into the buffer. T: float, c10::BFloat16.
template <class T>
Packed pack_if_needed(const Rows<const T>& rows, const Indices& real, int64_t first, int64_t count, int64_t padded,
                      int64_t channels, float* buffer);

// block = rows[m][channels] · transposed, with `transposed` in tiles of [channels][128] (pack_transposed).
void multiply_into_block(const Block& block, int64_t m, Packed rows, int64_t channels, const float* transposed);

// target[m][channels] = block · columns[·][channels].
void multiply_block(const Block& block, int64_t m, Packed columns, int64_t channels, float* target);

// transposed (+)= rowsᵀ · block, with rows_transposed [channels][64] and `transposed` in tiles of [channels][128].
void accumulate_transposed(const float* rows_transposed, const Block& block, int64_t k, int64_t channels,
                           float* transposed, bool add);

template <class T>
Rows<T> head_rows(const View<T>& view, int64_t batch, int64_t head) {
  return {view.data + batch * view.batch_stride + head * view.head_stride, view.row_stride};
}

template <class T>
void clear_rows(const Rows<T>& rows, int64_t length, int64_t channels) {
  for (int64_t i = 0; i < length; ++i) std::fill(rows[i], rows[i] + channels, T(0));
}

}  // namespace saobp::attention::cpu
