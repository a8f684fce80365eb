#include "saobp/attention/cpu/elemmul_gradient.h"

#include <algorithm>

#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {

ElemmulGradient::Shared::Shared(const Problem& p)
    : columns(round_up(p.keys, kTileColumns)), key_sum(p, columns * p.channels), scratch([&](auto& place) {
        place(keys_transposed, columns * p.channels);
        place(keys, columns * p.channels);
        place(key_gradient, columns * p.channels);
      }) {}

ElemmulGradient::Own::Own(const Problem& p)
    : columns(round_up(p.keys, kTileColumns)), scratch([&](auto& place) {
        place(part, columns * p.channels);
        place(query_rows, kTileRows * p.channels);
        place(value_rows, kTileRows * p.channels);
        place(numerator_rows, kTileRows * p.channels);
        place(spare_rows, kTileRows * p.channels);
        place(transposed_rows, kTileRows * p.channels);
        place(dz, kTileRows);
      }) {}

ElemmulGradient::ElemmulGradient(const Head& head, const ElemmulBackward& call, Shared& shared)
    : ElemmulHead(head, call.inputs),
      saved_(call.saved, head),
      chunks_(real),
      shared_(shared),
      output_(query_rows(call.upstream.output)),
      output_gradient_(query_rows(call.upstream.gradient)),
      query_gradient_(query_rows(call.gradients.query)),
      key_gradient_(query_rows(call.gradients.key)),
      value_gradient_(query_rows(call.gradients.value)) {}

void ElemmulGradient::begin(bool alone) {
  pack_columns_transposed(key, constants.score_scale, shared_.keys_transposed);
  keys_ = pack_columns(key, shared_.keys);
  shared_.key_sum.begin(shared_.key_gradient, round_up(real.key_columns, kTileColumns) * p.channels, chunks_, alone);
}

void ElemmulGradient::finish(bool backwards) {
  shared_.key_sum.combine(backwards);
  unpack_transposed(shared_.key_gradient, real.keys.data(), real.keys.size(), p.channels, constants.gradient_scale,
                    key_gradient_);
}

void ElemmulGradient::make_attention(int64_t b, const Block& block, Own& own) const {
  const Packed queries = pack_block(query, b, own.query_rows);
  for_tiles(block, [&](const Block& tile, int64_t column) { make_tile(b, tile, column, queries); });
}

Packed ElemmulGradient::numerator_gradient(int64_t b, Own& own) const {
  const int64_t count = real.block_rows(b);
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t row = block_queries(b)[i];
    const float z = saved_.z[b * kTileRows + i];
    own.dz[i] = -dot(output_gradient_[row], output_[row], p.channels) / z;
    pack_rows(output_gradient_, &row, 1, p.channels, constants.kept_scale / z, own.numerator_rows + i * p.channels);
  }
  std::fill(own.numerator_rows + count * p.channels, own.numerator_rows + real.product_rows(b) * p.channels, 0.0f);
  return {own.numerator_rows, p.channels};
}

const float* ElemmulGradient::transposed(const Packed& rows, int64_t b, Own& own) const {
  transpose_rows(rows, real.block_rows(b), p.channels, nullptr, own.transposed_rows);
  return own.transposed_rows;
}

void ElemmulGradient::write_value_gradient(int64_t b, const Own& own) const {
  for (int64_t i = 0; i < real.block_rows(b); ++i) {
    const uint32_t row = block_queries(b)[i];
    if (!has_value || has_value[row]) std::copy_n(own.spare_rows + i * p.channels, p.channels, value_gradient_[row]);
  }
}

void ElemmulGradient::add_score_gradient(int64_t b, const Block& score_gradient, float* key_part, bool first,
                                         Own& own) const {
  const int64_t channels = p.channels, rows = score_gradient.rows;
  const float* queries = transposed(pack_block(query, b, own.query_rows), b, own);
  for_tiles(score_gradient, [&](const Block& tile, int64_t column) {
    multiply(real.product_rows(b), channels, tile.columns, tile.data, kTileColumns, keys_.data + column * keys_.stride,
             keys_.stride, own.spare_rows, channels, /*add=*/column > 0);
    multiply(channels, tile.columns, rows, queries, kTileRows, tile.data, kTileColumns, key_part + column * channels,
             kTileColumns, /*add=*/true);
  });
  for (int64_t i = 0; i < rows; ++i) {
    const float* source = own.spare_rows + i * channels;
    float* target = query_gradient_[block_queries(b)[i]];
    for (int64_t d = 0; d < channels; ++d) {
      target[d] = source[d] * constants.gradient_scale + (first ? 0.0f : target[d]);
    }
  }
}

}  // namespace saobp::attention::cpu
