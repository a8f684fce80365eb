#include "saobp/attention/cpu/elemmul_gradient.h"

#include <algorithm>

#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

float dot(const float* a, const float* b, int64_t count) {
  float lanes[8] = {};
  int64_t d = 0;
  for (; d + 8 <= count; d += 8) {
    for (int64_t n = 0; n < 8; ++n) lanes[n] += a[d + n] * b[d + n];
  }
  for (; d < count; ++d) lanes[0] += a[d] * b[d];
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

}  // namespace

ElemmulGradientWorkspace::ElemmulGradientWorkspace(const ElemmulProblem& p)
    : scratch(3 * round_up(p.length, kTileColumns) * p.channels + 5 * kTileRows * p.channels + p.length + 16 * kLanes),
      keys_transposed(scratch.floats(round_up(p.length, kTileColumns) * p.channels)),
      keys(scratch.floats(round_up(p.length, kTileColumns) * p.channels)),
      key_gradient(scratch.floats(round_up(p.length, kTileColumns) * p.channels)),
      query_rows(scratch.floats(kTileRows * p.channels)),
      value_rows(scratch.floats(kTileRows * p.channels)),
      numerator_rows(scratch.floats(kTileRows * p.channels)),
      transposed_rows(scratch.floats(kTileRows * p.channels)),
      spare_rows(scratch.floats(kTileRows * p.channels)),
      dz(scratch.floats(p.length)) {}

ElemmulGradientHead::ElemmulGradientHead(const ElemmulHead& one, ElemmulGradientWorkspace& work,
                                         const ElemmulSaved& saved, Rows<const float> output,
                                         Rows<const float> output_gradient, Rows<float> query_gradient,
                                         Rows<float> value_gradient, bool first_of_group)
    : head(one),
      work_(work),
      row_max_(saved.rows + one.index * one.problem.length),
      inverse_sum_(row_max_ + one.problem.batch * one.problem.heads * one.problem.length),
      z_(inverse_sum_ + one.problem.batch * one.problem.heads * one.problem.length),
      output_gradient_(output_gradient),
      query_gradient_(query_gradient),
      value_gradient_(value_gradient),
      add_values_(!first_of_group) {
  const int64_t channels = head.problem.channels, count = head.real.keys.size();
  if (first_of_group) {
    std::fill(work_.key_gradient, work_.key_gradient + round_up(head.real.key_columns, kTileColumns) * channels, 0.0f);
  }
  pack_transposed(head.key, head.real.keys.data(), count, channels, head.constants.score_scale, work_.keys_transposed);
  keys_ = pack_if_needed(head.key, head.real.keys, 0, count, head.real.key_columns, channels, work_.keys);
  for (size_t i = 0; i < head.real.queries.size(); ++i) {
    const uint32_t row = head.real.queries[i];
    work_.dz[i] = -dot(output_gradient_[row], output[row], channels) / z_[i];
  }
}

void ElemmulGradientHead::make_attention(int64_t b, const Block& block) {
  head.make_scores(b, block, work_.keys_transposed, work_.query_rows);
  attention_again(block, head.real.keys.size(), head.real.block_visible(b), row_max_ + b * kTileRows,
                  inverse_sum_ + b * kTileRows);
}

Block ElemmulGradientHead::dropped(int64_t b, const Block& attention, float* buffer) const {
  if (head.problem.dropout == 0) return attention;
  std::copy_n(attention.data, round_up(attention.columns, kTileColumns) * kTileRows, buffer);
  const Block copy{buffer, attention.rows, attention.columns};
  head.drop_block(b, copy);
  return copy;
}

Packed ElemmulGradientHead::numerator_gradient(int64_t b) {
  const int64_t first = b * kTileRows, count = head.real.block_rows(b), channels = head.problem.channels;
  for (int64_t i = 0; i < count; ++i) {
    pack_rows(output_gradient_, head.real.queries.data() + first + i, 1, channels,
              head.constants.kept_scale / z_[first + i], work_.numerator_rows + i * channels);
  }
  std::fill(work_.numerator_rows + count * channels, work_.numerator_rows + head.real.product_rows(b) * channels, 0.0f);
  return {work_.numerator_rows, channels};
}

Packed ElemmulGradientHead::values(int64_t b) { return head.value_rows(b, work_.value_rows); }

const float* ElemmulGradientHead::transposed(const Packed& rows, int64_t b) {
  transpose_rows(rows, head.real.block_rows(b), head.problem.channels, nullptr, work_.transposed_rows);
  return work_.transposed_rows;
}

void ElemmulGradientHead::write_value_gradient(int64_t b) {
  const int64_t channels = head.problem.channels;
  for (int64_t i = 0; i < head.real.block_rows(b); ++i) {
    const int64_t row = b * kTileRows + i;
    if (!head.real.has_value[row]) continue;
    const float* source = work_.spare_rows + i * channels;
    float* target = value_gradient_[head.real.queries[row]];
    for (int64_t d = 0; d < channels; ++d) target[d] = add_values_ ? target[d] + source[d] : source[d];
  }
}

void ElemmulGradientHead::add_score_gradient(int64_t b, const Block& score_gradient, bool first) {
  const int64_t channels = head.problem.channels, rows = score_gradient.rows;
  multiply_block(score_gradient, head.real.product_rows(b), keys_, channels, work_.spare_rows);
  const float scale = head.constants.gradient_scale;
  for (int64_t i = 0; i < rows; ++i) {
    const float* source = work_.spare_rows + i * channels;
    float* target = query_gradient_[head.real.block_queries(b)[i]];
    for (int64_t d = 0; d < channels; ++d) target[d] = source[d] * scale + (first ? 0.0f : target[d]);
  }
  const float* queries = transposed(head.query_rows(b, work_.query_rows), b);
  accumulate_transposed(queries, score_gradient, rows, channels, work_.key_gradient, /*add=*/true);
}

}  // namespace saobp::attention::cpu
