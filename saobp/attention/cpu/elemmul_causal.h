// The causal form of the ElemMul kernels: its two passes, and what they carry from block to block.
#pragma once

#include <optional>

#include "saobp/attention/cpu/elemmul_head.h"

namespace saobp::attention::cpu {

void elemmul_causal_forward(const Problem& problem, const Inputs<float>& inputs, const View<float>& output,
                            const ElemmulSaved& saved);
void elemmul_causal_backward(const Problem& problem, const Inputs<float>& inputs, const ElemmulUpstream& upstream,
                             const Gradients<float, float>& gradients);

// A table of `channels` numbers for each key, in parts of 128 keys (each of them [128][channels] or [channels][128]),
// and a sum for each key: T and s over the rows before a block, or U and u over those after it. Both are summed up
// within a chunk of rows (schedule.h) and then joined to what the chunks gone by have left, so that chunks that are
// made side by side leave the same bits. Memory of a thread.
class Carried {
 public:
  explicit Carried(const Problem& p);

  // What the chunks gone by have left, for so many columns; null: there are none.
  void begin_chunk(const float* table_before, const double* sums_before, int64_t columns);

  // Sets base to the sums over the rows gone by, and running to 0.
  void begin_block(int64_t columns);
  // Adds running, the sums over the rows of the block, to them.
  void end_block(int64_t columns);
  // The same without running: adds a tile's rows times their weights. `backwards`: from the last one on.
  void add_rows(const Block& tile, int64_t column, const float* weights, bool backwards);

  // The part of the table that begins with key `column`.
  const float* table(int64_t column) const { return (before_ ? joined_ : chunk_) + column * channels_; }

  // Calls f(part of the chunk's own table), which may add to what is there.
  template <class F>
  void add_to_table(int64_t column, F&& f) {
    f(chunk_ + column * channels_);
    if (before_) join(column, kTileColumns);
  }

  const float* chunk_table() const { return chunk_; }
  double* chunk_sums() { return sums_; }
  float *base, *running;

 private:
  void join(int64_t column, int64_t count);

  int64_t channels_;
  Scratch scratch_;
  float *chunk_, *joined_;  // the chunk's own table; that with what the chunks before have left
  const float* before_ = nullptr;
  double* sums_;  // the chunk's own
  const double* sums_before_ = nullptr;
};

// What the chunks of a head leave, in the order in which they are taken: n = 0, 1, … Memory of a head.
class CarriedChunks {
 public:
  explicit CarriedChunks(const Problem& p);

  // For the next head. One thread (`alone`) calls add(n) after each chunk but the last; several call store(n) for all
  // but the last, and then one calls join().
  void begin(const Chunks& chunks, bool alone, int64_t columns);
  void add(int64_t n, Carried& carried);
  void store(int64_t n, Carried& carried);
  void join();

  void begin_chunk(int64_t n, Carried& carried) const;

 private:
  int64_t slot(int64_t n) const { return alone_ ? 0 : n; }
  float* table(int64_t n) const { return tables_ + slot(n) * size_; }
  double* sums(int64_t n) const { return sums_ + slot(n) * stride_; }

  int64_t stride_, size_, channels_, most_chunks_;
  std::optional<Scratch> scratch_;
  float* tables_ = nullptr;  // [1 or chunks][size]
  double* sums_ = nullptr;   // [1 or chunks][stride]
  int64_t room_ = 0, count_ = 1, columns_ = 0;
  bool alone_ = true;
};

// Triangles of [64][64] products of a block's rows with each other are made and used by strips of rows, which spares
// most of what is zero.
enum class Triangle { lower, upper };

// Zero on the other side of the diagonal, and past the last row.
void keep_triangle(Triangle triangle, float* pairs, int64_t rows);

// pairs (+)= tile · transposed, the lower triangle of it; transposed: [tile.columns][64]. m: rows of the products.
void multiply_lower_triangle(const Block& tile, int64_t m, const float* transposed, float* pairs, bool add);

// target (+)= pairs · tile, where pairs is such a triangle.
void multiply_by_triangle(Triangle triangle, const Block& target, int64_t m, const float* pairs, const Block& tile,
                          bool add);

}  // namespace saobp::attention::cpu
