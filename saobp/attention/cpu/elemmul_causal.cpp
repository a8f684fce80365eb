#include "saobp/attention/cpu/elemmul_causal.h"

#include <algorithm>

namespace saobp::attention::cpu {
namespace {

constexpr int64_t kStrip = 16;  // so many rows of a triangle are made or used at a time: it spares what is zero

}  // namespace

Carried::Carried(const Problem& p)
    : channels_(p.channels), scratch_([this, columns = round_up(p.keys, kTileColumns)](auto& place) {
        place(table_, columns * channels_);
        place(sums_, columns);
        place(base, columns);
        place(running, columns);
      }) {}

void Carried::clear(int64_t first, int64_t columns) {
  std::fill_n(table(first), round_up(columns, kTileColumns) * channels_, 0.0f);
  std::fill_n(sums_ + first, columns, 0.0);
}

void Carried::begin_block(int64_t columns) {
  std::copy_n(sums_, columns, base);
  std::fill_n(running, columns, 0.0f);
}

void Carried::end_block(int64_t columns) {
  for (int64_t k = 0; k < columns; ++k) sums_[k] += running[k];
}

void CarriedChunks::begin(const Head& head, const Chunks& chunks) {
  count_ = chunks.count();
  columns_ = round_up(head.real.key_columns, kTileColumns);
  if (scratch_) return;
  const int64_t most = (chunk_count(problem_.queries) - 1) * round_up(problem_.keys, kTileColumns);
  scratch_.emplace([&](auto& place) {
    place(tables_, most * problem_.channels);
    place(sums_, most);
  });
}

void CarriedChunks::store(int64_t n, int64_t column, const Carried& carried) {
  const int64_t place = n * columns_ + column;
  std::copy_n(carried.table(column), kTileColumns * problem_.channels, tables_ + place * problem_.channels);
  std::copy_n(carried.sums() + column, kTileColumns, sums_ + place);
}

void CarriedChunks::load(int64_t n, Carried& carried) const {
  if (n == 0) return carried.clear(0, columns_);
  const int64_t place = (n - 1) * columns_;
  std::copy_n(tables_ + place * problem_.channels, columns_ * problem_.channels, carried.table(0));
  std::copy_n(sums_ + place, columns_, carried.sums());
}

void keep_triangle(Triangle triangle, int64_t rows, float* pairs) {
  for (int64_t i = 0; i < kPartRows; ++i) {
    float* row = pairs + i * kPartRows;
    const int64_t first = triangle == Triangle::lower ? 0 : std::min(i, rows);
    const int64_t last = i >= rows ? first : triangle == Triangle::lower ? i + 1 : rows;
    std::fill(row, row + first, 0.0f);
    std::fill(row + last, row + kPartRows, 0.0f);
  }
}

void multiply_lower_triangle(const Part& part, int64_t columns, const float* rows, const float* transposed,
                             float* pairs, bool add) {
  for (int64_t i = 0; i < part.padded; i += kStrip) {
    multiply(std::min(kStrip, part.padded - i), i + kStrip, columns, rows + i * kTileColumns, kTileColumns, transposed,
             kTileRows, pairs + i * kPartRows, kPartRows, add);
  }
}

void multiply_by_triangle(Triangle triangle, const Part& part, int64_t columns, const float* pairs, const float* rows,
                          float* target, bool add) {
  for (int64_t i = 0; i < part.rows; i += kStrip) {
    const int64_t begin = triangle == Triangle::lower ? 0 : i;
    const int64_t end = triangle == Triangle::lower ? std::min(i + kStrip, part.rows) : part.rows;
    multiply(std::min(kStrip, part.padded - i), columns, end - begin, pairs + i * kPartRows + begin, kPartRows,
             rows + begin * kTileColumns, kTileColumns, target + i * kTileColumns, kTileColumns, add);
  }
}

}  // namespace saobp::attention::cpu
