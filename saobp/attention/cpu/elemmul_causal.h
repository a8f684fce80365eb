// The causal form of the ElemMul kernels: its two passes, and what they carry from rows to rows.
#pragma once

#include <optional>

#include "saobp/attention/cpu/elemmul_head.h"

namespace saobp::attention::cpu {

void elemmul_causal_forward(const Problem& problem, const ElemmulForward& call);
void elemmul_causal_backward(const Problem& problem, const ElemmulBackward& call);

// A table of `channels` numbers for each key, in tiles of 128 keys (each of them [128][channels] or [channels][128]),
// and a sum for each key: T and s over the rows gone by, or U and u over those to come. Memory of a thread.
class Carried {
 public:
  explicit Carried(const Problem& p);

  float* table(int64_t column) const { return table_ + column * channels_; }  // from the tile that begins there
  double* sums() const { return sums_; }
  void clear(int64_t first, int64_t columns);

  // Sets base to the sums so far, and running to 0.
  void begin_block(int64_t columns);
  // Adds running, the sums over the rows of the block.
  void end_block(int64_t columns);
  float *base, *running;

 private:
  int64_t channels_;
  float* table_;
  double* sums_;
  Scratch scratch_;
};

enum class Order { forwards, backwards };

// Calls f(b) for the blocks of a chunk.
template <class F>
void for_blocks(const Chunks& chunks, int64_t chunk, Order order, F&& f) {
  const int64_t begin = chunks.begin(chunk), end = chunks.end(chunk);
  for (int64_t n = 0; n < end - begin; ++n) f(order == Order::forwards ? begin + n : end - 1 - n);
}

// What is carried into each chunk of a head whose chunks go to several threads. The rows' parts are added up in the
// very order in which one thread would do it, by several threads for different keys. Memory of a head.
class CarriedChunks {
 public:
  CarriedChunks(const Problem& p, Order order) : problem_(p), order_(order) {}

  // For the next head. add(b, column, own) adds the block's part to the tile of own.carried that begins with `column`.
  template <class Own, class Add>
  void make(const Head& head, const Chunks& chunks, Add&& add) {
    begin(head, chunks);
    const int64_t tiles = divide_up(head.real.key_columns, kTileColumns);
    for_chunks(problem_, tiles, static_cast<Own*>(nullptr), [&](int64_t n, Own& own) {
      // The first tiles take the most work: early and late ones in turn.
      const int64_t tile = n % 2 == 0 ? n / 2 : tiles - 1 - n / 2, column = tile * kTileColumns;
      own.carried.clear(column, kTileColumns);
      for (int64_t c = 0; c + 1 < chunks.count(); ++c) {
        for_blocks(chunks, chunk(c), order_, [&](int64_t b) {
          if (head.real.block_columns(b) > column) add(b, column, own);
        });
        store(c, column, own.carried);
      }
    });
  }

  // Runs f(chunk, own) for the chunks, each with own.carried as it is when the chunk's turn comes. `own` as in
  // for_chunks; if it is null, make() has been called.
  template <class Own, class F>
  void for_carried(const Head& head, const Chunks& chunks, Own* own, F&& f) {
    if (own) own->carried.clear(0, head.real.key_columns);
    for_chunks(problem_, chunks.count(), own, [&](int64_t n, Own& mine) {
      if (!own) load(n, mine.carried);
      f(order_ == Order::forwards ? n : chunks.count() - 1 - n, mine);
    });
  }

 private:
  int64_t chunk(int64_t n) const { return order_ == Order::forwards ? n : count_ - 1 - n; }
  void begin(const Head& head, const Chunks& chunks);
  void store(int64_t n, int64_t column, const Carried& carried);
  void load(int64_t n, Carried& carried) const;

  const Problem& problem_;
  Order order_;
  float* tables_ = nullptr;  // [chunks − 1][columns · channels], after the n-th chunk that is taken
  double* sums_ = nullptr;   // [chunks − 1][columns]
  int64_t count_ = 1, columns_ = 0;
  std::optional<Scratch> scratch_;
};

// A block's rows go by in parts of up to 32: what is carried grows after each, and inside a part the rows meet each
// other through their products, [32][32]: a triangle.
struct Part {
  int64_t first, rows;  // of the block
  int64_t padded;       // rows for the products
};

// Calls f(part) for the parts of a block of so many rows.
template <class F>
void for_parts(const Head& head, int64_t b, Order order, F&& f) {
  const int64_t rows = head.real.block_rows(b), padded = head.real.product_rows(b), count = divide_up(rows, kPartRows);
  for (int64_t n = 0; n < count; ++n) {
    const int64_t first = (order == Order::forwards ? n : count - 1 - n) * kPartRows;
    f(Part{first, std::min(kPartRows, rows - first), std::min(kPartRows, padded - first)});
  }
}

// How many columns the rows of a head up to this one see, rounded up to 16; 0 for row −1.
inline int64_t columns_seen(const Head& head, int64_t row) {
  return row < 0 ? 0 : round_up(head.real.visible[row], kLanes);
}

enum class Triangle { lower, upper };

// Zero on the other side of the diagonal, and past the last row.
void keep_triangle(Triangle triangle, int64_t rows, float* pairs);

// pairs (+)= rows · transposed, the lower triangle of it; rows of a tile, transposed: [columns][64].
void multiply_lower_triangle(const Part& part, int64_t columns, const float* rows, const float* transposed,
                             float* pairs, bool add);

// target (+)= pairs · rows, where pairs is such a triangle, target and rows the part's rows of a tile.
void multiply_by_triangle(Triangle triangle, const Part& part, int64_t columns, const float* pairs, const float* rows,
                          float* target, bool add);

}  // namespace saobp::attention::cpu
