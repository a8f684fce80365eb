// Fused backward pass (docs/method.md, section 4). For each head, g = ∂L/∂O:
//   sweep 1, by blocks of 64 rows: S = Q Kᵀ and g Vᵀ are made; A, B and dZ = B ⊙ (dB − D) from them;
//                                  dVᵀ += gᵀ (B ⊙ R);  dc += columns of dZ
//   sweep 2, by blocks:            dS = dZ + A ⊙ (dA − E);  dQ = dS K;  dKᵀ += Qᵀ dS
// Strength 0 needs sweep 1 only, with dS = dZ. A and dZ of all blocks are kept between the sweeps while they are small.
// dV and dK are summed up transposed, so that no L×L block has to be.
#include <ATen/Parallel.h>

#include <algorithm>

#include "saobp/attention/cpu/backward_rows.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/head.h"

namespace saobp::attention::cpu {
namespace {

struct Workspace {
  explicit Workspace(const Problem& p)
      : columns(round_up(p.keys, kTileColumns)),
        kept_blocks(blocks_kept(p)),
        scratch((2 * kept_blocks + 1) * kTileRows * columns + 5 * columns * p.channels + 6 * kTileRows * p.channels +
                round_up(p.queries, kLanes) + 5 * columns + 64 * kLanes),
        keys_transposed(scratch.floats(columns * p.channels)),
        values_transposed(scratch.floats(columns * p.channels)),
        keys(scratch.floats(columns * p.channels)),
        key_gradient(scratch.floats(columns * p.channels)),
        value_gradient(scratch.floats(columns * p.channels)),
        scores(scratch.floats(kept_blocks * kTileRows * columns)),
        gradients(scratch.floats(kept_blocks * kTileRows * columns)),
        weights(scratch.floats(kTileRows * columns)),
        query_rows(scratch.floats(kTileRows * p.channels)),
        gradient_rows(scratch.floats(kTileRows * p.channels)),
        spare_rows(scratch.floats(kTileRows * p.channels)),
        transposed_rows(scratch.floats(kTileRows * p.channels)),
        query_gradient_rows(scratch.floats(kTileRows * p.channels)),
        delta(scratch.floats(p.queries)),
        column_gradient(scratch.doubles(columns)),
        column_gradient_float(scratch.floats(columns)),
        column_weights(scratch.floats(columns)),
        column_bias(scratch.floats(columns)) {}

  BackwardBlock block(int64_t index, const RealRows& real) const {
    const int64_t offset = (kept_blocks > 1 ? index : 0) * kTileRows * columns;
    const auto at = [&](float* data) { return Block{data, real.block_rows(index), real.key_columns}; };
    return {at(scores + offset), at(gradients + offset), at(weights), static_cast<int64_t>(real.keys.size())};
  }

  int64_t columns, kept_blocks;
  Scratch scratch;
  float *keys_transposed, *values_transposed;  // in tiles; keys scaled for scores to base 2
  float* keys;                                 // [L_k][channels], where the tensor itself will not do
  float *key_gradient, *value_gradient;        // transposed, in tiles
  float *scores, *gradients, *weights;
  float *query_rows, *gradient_rows, *spare_rows;  // [64][channels]
  float *transposed_rows, *query_gradient_rows;    // [channels][64]; [64][channels]
  float* delta;
  double* column_gradient;
  float *column_gradient_float, *column_weights, *column_bias;
};

struct HeadRows {
  Rows<const float> query, key, value, output, output_gradient;
  Rows<float> query_gradient, key_gradient, value_gradient;
};

class Head {
 public:
  Head(const Problem& problem, const Constants& constants, const RealRows& real, int64_t index, Workspace& work,
       const Saved& saved, const HeadRows& rows)
      : p_(problem), constants_(constants), real_(real), index_(index), work_(work), rows_(rows) {
    const int64_t plane = p_.batch * p_.heads * p_.queries;
    const float* saved_rows = saved.rows + index * p_.queries;
    saved_ = {saved_rows,  saved_rows + plane, saved_rows + 2 * plane, saved_rows + 3 * plane,
              work_.delta, work_.column_bias,  work_.column_weights};
    prepare_columns(saved.column_bias + index * p_.keys);
  }

  void run() {
    for (int64_t b = 0; b < real_.row_blocks(); ++b) {
      make_delta(b);
      first_sweep(b, /*again=*/false);
      if (!constants_.refine) finish_block(b);
    }
    if (constants_.refine) {
      std::copy(work_.column_gradient, work_.column_gradient + real_.key_columns, work_.column_gradient_float);
      for (int64_t b = 0; b < real_.row_blocks(); ++b) second_sweep(b);
    }
    const uint32_t* keys = real_.keys.data();
    unpack_transposed(work_.value_gradient, keys, real_.keys.size(), p_.channels, 1.0f, rows_.value_gradient);
    unpack_transposed(work_.key_gradient, keys, real_.keys.size(), p_.channels, constants_.gradient_scale,
                      rows_.key_gradient);
  }

 private:
  const uint32_t* block_queries(int64_t b) const { return real_.queries.data() + b * kTileRows; }

  void prepare_columns(const float* bias) {
    const int64_t count = real_.keys.size();
    const uint32_t* keys = real_.keys.data();
    pack_transposed(rows_.key, keys, count, p_.channels, constants_.score_scale, work_.keys_transposed);
    pack_transposed(rows_.value, keys, count, p_.channels, 1.0f, work_.values_transposed);
    keys_ = pack_if_needed(rows_.key, real_.keys, 0, count, real_.key_columns, p_.channels, work_.keys);
    std::copy(bias, bias + count, work_.column_bias);
    std::fill(work_.column_bias + count, work_.column_bias + real_.key_columns, 0.0f);
    if (constants_.refine) powers(work_.column_bias, real_.key_columns, work_.column_weights);
    std::fill(work_.column_gradient, work_.column_gradient + real_.key_columns, 0.0);
  }

  // D_i = g_i · O_i
  void make_delta(int64_t b) {
    for (int64_t i = 0; i < real_.block_rows(b); ++i) {
      const uint32_t row = block_queries(b)[i];
      const float *g = rows_.output_gradient[row], *o = rows_.output[row];
      float lanes[8] = {};
      int64_t d = 0;
      for (; d + 8 <= p_.channels; d += 8) {
        for (int64_t n = 0; n < 8; ++n) lanes[n] += g[d + n] * o[d + n];
      }
      for (; d < p_.channels; ++d) lanes[0] += g[d] * o[d];
      float sum = 0;
      for (const float lane : lanes) sum += lane;
      work_.delta[b * kTileRows + i] = sum;
    }
  }

  // The block's rows of `source`, with zero rows up to what the products take.
  Packed pack_block(const Rows<const float>& source, int64_t b, float* buffer) {
    return pack_if_needed(source, real_.queries, b * kTileRows, real_.block_rows(b), real_.product_rows(b), p_.channels,
                          buffer);
  }

  // S → A, g Vᵀ → dZ. The first time it also sums up dV and dc.
  void first_sweep(int64_t b, bool again) {
    const BackwardBlock block = work_.block(b, real_);
    const int64_t padded = real_.product_rows(b), first = b * kTileRows;
    const Packed queries = pack_block(rows_.query, b, work_.query_rows);
    const Packed gradients = pack_block(rows_.output_gradient, b, work_.gradient_rows);
    multiply_into_block(block.scores, padded, queries, p_.channels, work_.keys_transposed);
    multiply_into_block(block.gradient, padded, gradients, p_.channels, work_.values_transposed);
    uint64_t row_keys[kTileRows];
    if (constants_.dropout) dropout_row_keys(p_, index_, block_queries(b), block.scores.rows, row_keys);
    const DropoutBlock mask{row_keys, real_.keys.data(), constants_.dropout_threshold};
    const DropoutBlock* dropout = constants_.dropout ? &mask : nullptr;
    SavedRows saved = saved_;
    saved.row_max += first;
    saved.inverse_sum += first;
    saved.refined_logsumexp += first;
    saved.fold_ratio += first;
    saved.delta += first;
    if (constants_.refine) {
      refined_gradient(block, saved, constants_.messages, dropout, constants_.kept_scale, work_.column_gradient);
    } else {
      plain_gradient(block, saved, dropout, constants_.kept_scale);
    }
    if (!again) accumulate(rows_.output_gradient, b, block.weights, work_.value_gradient);
  }

  // transposed gradient += rowsᵀ · block
  void accumulate(const Rows<const float>& source, int64_t b, const Block& block, float* gradient) {
    const Packed rows = pack_block(source, b, work_.spare_rows);
    transpose_block(rows.data, rows.stride, block.rows, p_.channels, work_.transposed_rows, kTileRows);
    accumulate_transposed(work_.transposed_rows, block, block.rows, p_.channels, gradient, /*add=*/b > 0);
  }

  void second_sweep(int64_t b) {
    // What the first sweep left of this block may be gone; the column sums that this adds to have been read already.
    if (work_.kept_blocks == 1 && real_.row_blocks() > 1) first_sweep(b, /*again=*/true);
    const BackwardBlock block = work_.block(b, real_);
    score_gradient(block.scores, block.gradient, constants_.messages, constants_.t, work_.column_gradient_float);
    finish_block(b);
  }

  // dS of the block → dQ and dK.
  void finish_block(int64_t b) {
    const Block score_gradients = work_.block(b, real_).gradient;
    multiply_block(score_gradients, real_.product_rows(b), keys_, p_.channels, work_.query_gradient_rows);
    for (int64_t i = 0; i < score_gradients.rows; ++i) {
      const float* source = work_.query_gradient_rows + i * p_.channels;
      float* target = rows_.query_gradient[block_queries(b)[i]];
      for (int64_t d = 0; d < p_.channels; ++d) target[d] = source[d] * constants_.gradient_scale;
    }
    accumulate(rows_.query, b, score_gradients, work_.key_gradient);
  }

  const Problem& p_;
  const Constants& constants_;
  const RealRows& real_;
  int64_t index_;  // batch · heads + head
  Workspace& work_;
  const HeadRows& rows_;
  SavedRows saved_;
  Packed keys_;
};

void clear(const Rows<float>& rows, int64_t length, int64_t channels) {
  for (int64_t i = 0; i < length; ++i) std::fill(rows[i], rows[i] + channels, 0.0f);
}

}  // namespace

void backward(const Problem& problem, const View<const float>& query, const View<const float>& key,
              const View<const float>& value, const View<const float>& output, const View<const float>& output_gradient,
              const Saved& saved, const Gradients& gradients) {
  apply_environment();
  const Constants constants(problem);
  at::parallel_for(0, problem.batch * problem.heads, 1, [&](int64_t begin, int64_t end) {
    Workspace work(problem);
    for (int64_t index = begin; index < end; ++index) {
      const int64_t batch = index / problem.heads, head = index % problem.heads;
      const RealRows real(problem, batch);
      const auto of = [&](const auto& view) { return head_rows(view, batch, head); };
      const HeadRows rows{of(query),           of(key),           of(value),          of(output), of(output_gradient),
                          of(gradients.query), of(gradients.key), of(gradients.value)};
      const bool nothing = real.queries.empty() || real.keys.empty();
      if (nothing || real.queries.size() < static_cast<size_t>(problem.queries)) {
        clear(rows.query_gradient, problem.queries, problem.channels);
      }
      if (nothing || real.keys.size() < static_cast<size_t>(problem.keys)) {
        clear(rows.key_gradient, problem.keys, problem.channels);
        clear(rows.value_gradient, problem.keys, problem.channels);
      }
      if (!nothing) Head(problem, constants, real, index, work, saved, rows).run();
    }
  });
}

}  // namespace saobp::attention::cpu
