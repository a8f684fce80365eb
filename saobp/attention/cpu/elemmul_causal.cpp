#include "saobp/attention/cpu/elemmul_causal.h"

#include <algorithm>

#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

constexpr int64_t kStrip = 16;  // rows of a triangle that are made or used at a time

template <class T>
void add_to(T* target, const T* source, int64_t count) {
  for (int64_t n = 0; n < count; ++n) target[n] += source[n];
}

}  // namespace

Carried::Carried(const Problem& p)
    : channels_(p.channels),
      scratch_(2 * round_up(p.keys, kTileColumns) * p.channels + 4 * round_up(p.keys, kTileColumns)) {
  const int64_t columns = round_up(p.keys, kTileColumns);
  chunk_ = scratch_.floats(columns * p.channels);
  joined_ = scratch_.floats(columns * p.channels);
  sums_ = scratch_.doubles(columns);
  base = scratch_.floats(columns);
  running = scratch_.floats(columns);
}

void Carried::begin_chunk(const float* table_before, const double* sums_before, int64_t columns) {
  before_ = table_before;
  sums_before_ = sums_before;
  const int64_t size = round_up(columns, kTileColumns) * channels_;
  std::fill(chunk_, chunk_ + size, 0.0f);
  std::fill(sums_, sums_ + columns, 0.0);
  if (before_) std::copy(before_, before_ + size, joined_);
}

void Carried::begin_block(int64_t columns) {
  for (int64_t k = 0; k < columns; ++k) {
    base[k] = static_cast<float>(sums_before_ ? sums_before_[k] + sums_[k] : sums_[k]);
  }
  std::fill(running, running + columns, 0.0f);
}

void Carried::end_block(int64_t columns) {
  for (int64_t k = 0; k < columns; ++k) sums_[k] += running[k];
}

void Carried::add_rows(const Block& tile, int64_t column, const float* weights, bool backwards) {
  add_columns(tile, weights, sums_ + column, backwards);
}

void Carried::join(int64_t column, int64_t count) {
  for (int64_t n = column * channels_; n < (column + count) * channels_; ++n) joined_[n] = before_[n] + chunk_[n];
}

CarriedChunks::CarriedChunks(const Problem& p)
    : stride_(round_up(p.keys, kTileColumns)),
      size_(stride_ * p.channels),
      channels_(p.channels),
      most_chunks_(chunk_count(p.queries)) {}

void CarriedChunks::begin(const Chunks& chunks, bool alone, int64_t columns) {
  count_ = chunks.count();
  alone_ = alone;
  columns_ = columns;
  const int64_t slots = count_ == 1 ? 0 : alone ? 1 : most_chunks_;
  if (slots <= room_) return;
  room_ = slots;
  scratch_.emplace(slots * (size_ + 2 * stride_));
  tables_ = scratch_->floats(slots * size_);
  sums_ = scratch_->doubles(slots * stride_);
}

void CarriedChunks::begin_chunk(int64_t n, Carried& carried) const {
  carried.begin_chunk(n > 0 ? table(n - 1) : nullptr, n > 0 ? sums(n - 1) : nullptr, columns_);
}

void CarriedChunks::store(int64_t n, Carried& carried) {
  std::copy_n(carried.chunk_table(), round_up(columns_, kTileColumns) * channels_, table(n));
  std::copy_n(carried.chunk_sums(), columns_, sums(n));
}

void CarriedChunks::add(int64_t n, Carried& carried) {
  if (n + 1 == count_) return;
  if (n == 0) return store(n, carried);
  add_to(table(n), carried.chunk_table(), round_up(columns_, kTileColumns) * channels_);
  add_to<double>(sums(n), carried.chunk_sums(), columns_);
}

void CarriedChunks::join() {
  for (int64_t n = 1; n + 1 < count_; ++n) {
    add_to<float>(table(n), table(n - 1), round_up(columns_, kTileColumns) * channels_);
    add_to<double>(sums(n), sums(n - 1), columns_);
  }
}

void keep_triangle(Triangle triangle, float* pairs, int64_t rows) {
  for (int64_t i = 0; i < kTileRows; ++i) {
    float* row = pairs + i * kTileRows;
    const int64_t first = triangle == Triangle::lower ? 0 : std::min(i, rows);
    const int64_t last = i >= rows ? first : triangle == Triangle::lower ? i + 1 : rows;
    std::fill(row, row + first, 0.0f);
    std::fill(row + last, row + kTileRows, 0.0f);
  }
}

void multiply_lower_triangle(const Block& tile, int64_t m, const float* transposed, float* pairs, bool add) {
  for (int64_t first = 0; first < m; first += kStrip) {
    const int64_t rows = std::min(kStrip, m - first);
    multiply(rows, first + kStrip, tile.columns, tile.data + first * kTileColumns, kTileColumns, transposed, kTileRows,
             pairs + first * kTileRows, kTileRows, add);
  }
}

void multiply_by_triangle(Triangle triangle, const Block& target, int64_t m, const float* pairs, const Block& tile,
                          bool add) {
  for (int64_t first = 0; first < tile.rows; first += kStrip) {
    const int64_t begin = triangle == Triangle::lower ? 0 : first;
    const int64_t end = triangle == Triangle::lower ? std::min(first + kStrip, tile.rows) : tile.rows;
    multiply(std::min(kStrip, m - first), tile.columns, end - begin, pairs + first * kTileRows + begin, kTileRows,
             tile.data + begin * kTileColumns, kTileColumns, target.data + first * kTileColumns, kTileColumns, add);
  }
}

}  // namespace saobp::attention::cpu
