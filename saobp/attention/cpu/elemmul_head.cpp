#include "saobp/attention/cpu/elemmul_head.h"

#include <algorithm>

#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {

int64_t elemmul_table_size(bool causal, int64_t length, int64_t channels) {
  return causal ? round_up(length, kTileRows) * kPartRows : round_up(length, kTileColumns) * channels;
}

ElemmulHead::ElemmulHead(const Head& head, const Inputs<float>& inputs) : Head(head) {
  query = query_rows(inputs.query);
  key = key_rows(inputs.key);
  value = key_rows(inputs.value);
  has_value = p.key_mask ? p.key_mask + index / p.heads * p.keys : nullptr;
  const auto has_one = [&](uint32_t position) { return !has_value || has_value[position]; };
  if (std::all_of(real.queries.begin(), real.queries.end(), has_one)) has_value = nullptr;
}

void ElemmulHead::make_tile(int64_t b, const Block& tile, int64_t column, Packed queries, const float* keys_transposed,
                            const ElemmulSavedHead& saved) const {
  multiply(real.product_rows(b), tile.columns, p.channels, queries.data, queries.stride,
           keys_transposed + column * p.channels, kTileColumns, tile.data, kTileColumns, /*add=*/false);
  attention_again(tile, column, real.keys.size(), real.block_visible(b), saved.row_max + b * kTileRows,
                  saved.inverse_sum + b * kTileRows);
}

Packed ElemmulHead::value_rows(int64_t b, float* buffer) const {
  if (!has_value) return pack_block(value, b, buffer);
  const int64_t count = real.block_rows(b);
  pack_rows(value, block_queries(b), count, p.channels, 1.0f, buffer);
  for (int64_t i = 0; i < real.product_rows(b); ++i) {
    if (i < count && has_value[block_queries(b)[i]]) continue;
    std::fill(buffer + i * p.channels, buffer + (i + 1) * p.channels, 0.0f);
  }
  return {buffer, p.channels};
}

ElemmulSavedHead::ElemmulSavedHead(const ElemmulSaved& saved, const Head& head) {
  const int64_t length = head.p.queries, first = head.index * length;
  plane = head.p.batch * head.p.heads * length;
  row_max = saved.rows + first;
  inverse_sum = row_max + plane;
  z = inverse_sum + plane;
  columns = saved.columns + first;
  table = saved.tables + head.index * elemmul_table_size(head.p.causal, length, head.p.channels);
  statistics = saved.statistics ? saved.statistics + first : nullptr;
}

void ElemmulSavedHead::store_statistics(const Head& head, int64_t b, const RowStatistics* of_rows) const {
  for (int64_t i = 0; of_rows && i < head.real.block_rows(b); ++i) {
    float* target = statistics + head.block_queries(b)[i];
    target[0] = of_rows[i].entropy;
    target[plane] = of_rows[i].squared_norm;
  }
}

void transpose_rows(Packed rows, int64_t count, int64_t channels, const float* factors, float* target) {
  transpose_block(rows.data, rows.stride, count, channels, target, kTileRows);
  if (!factors) return;
  for (int64_t d = 0; d < channels; ++d) {
    for (int64_t i = 0; i < count; ++i) target[d * kTileRows + i] *= factors[i];
  }
}

void untile(const float* tiles, int64_t columns, int64_t channels, float* rows) {
  for (int64_t column = 0; column < columns; column += kTileColumns) {
    transpose_block(tiles + column * channels, kTileColumns, channels, std::min(kTileColumns, columns - column),
                    rows + column * channels, channels);
  }
}

void add_into_block(const Block& block, int64_t m, Packed rows, int64_t channels, const float* transposed) {
  for_tiles(block, [&](const Block& tile, int64_t column) {
    multiply(m, tile.columns, channels, rows.data, rows.stride, transposed + column * channels, kTileColumns, tile.data,
             kTileColumns, /*add=*/true);
  });
}

}  // namespace saobp::attention::cpu
