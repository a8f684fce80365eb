// Fused forward pass. For each head:
//   sweep 1, by blocks of 64 rows: S = Q Kᵀ; e = 2^(S − max), row sums; log2 of the messages' products into c;
//                                  p = e / (1 − tA) in place (own message excluded)
//   then   w = 2^(c − max c),  V' = diag(w) V
//   sweep 2, by blocks:            z = p w,  O = p V' / z
// so that B = A w / u · fold ratio, with fold ratio = Σ e / z. Rows with z < 1e-25 are made once more by logarithms.
// Strength 0 needs sweep 1 only.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/head.h"

namespace saobp::attention::cpu {
namespace {

constexpr float kSmallestTotal = 1e-25f;

// Reused for every head that a thread works on.
struct Workspace {
  explicit Workspace(const Problem& p)
      : columns(round_up(p.keys, kTileColumns)),
        kept_blocks(blocks_kept(p)),
        scratch((kept_blocks + 1) * kTileRows * columns + 3 * columns * p.channels + 3 * kTileRows * p.channels +
                6 * columns + 64 * kLanes),
        keys(scratch.floats(columns * p.channels)),
        values(scratch.floats(columns * p.channels)),
        plain_values(scratch.floats(columns * p.channels)),
        blocks(scratch.floats(kept_blocks * kTileRows * columns)),
        spare_block(scratch.floats(kTileRows * columns)),
        query_rows(scratch.floats(kTileRows * p.channels)),
        output_rows(scratch.floats(kTileRows * p.channels)),
        spare_rows(scratch.floats(kTileRows * p.channels)),
        column_sum(scratch.doubles(columns)),
        column_bias(scratch.floats(columns)),
        column_weights(scratch.floats(columns)) {}

  Block block(int64_t index, const RealRows& real) const {
    return {blocks + (kept_blocks > 1 ? index : 0) * kTileRows * columns, real.block_rows(index), real.key_columns};
  }

  int64_t columns, kept_blocks;
  Scratch scratch;
  float *keys, *values, *plain_values;  // Kᵀ in tiles; diag(w) V; V
  float *blocks, *spare_block;
  float *query_rows, *output_rows, *spare_rows;  // [64][channels]
  double* column_sum;
  float *column_bias, *column_weights;
};

// One head's part of the saved rows and columns.
struct SavedHead {
  SavedHead(const Saved& saved, const Problem& p, int64_t index)
      : row_max(saved.rows + index * p.queries),
        inverse_sum(row_max + p.batch * p.heads * p.queries),
        refined_logsumexp(inverse_sum + p.batch * p.heads * p.queries),
        fold_ratio(refined_logsumexp + p.batch * p.heads * p.queries),
        column_bias(saved.column_bias + index * p.keys) {}
  float *row_max, *inverse_sum, *refined_logsumexp, *fold_ratio, *column_bias;
};

class Head {
 public:
  Head(const Problem& problem, const Constants& constants, const RealRows& real, int64_t index, Workspace& work,
       const SavedHead& saved, Rows<const float> query, Rows<const float> key, Rows<const float> value,
       Rows<float> output)
      : p_(problem),
        constants_(constants),
        real_(real),
        index_(index),
        work_(work),
        saved_(saved),
        query_(query),
        key_(key),
        value_(value),
        output_(output) {}

  void run() {
    pack_transposed(key_, real_.keys.data(), real_.keys.size(), p_.channels, constants_.score_scale, work_.keys);
    if (constants_.refine) {
      collect_messages();
      for (int64_t b = 0; b < real_.row_blocks(); ++b) refined_block(b);
    } else {
      for (int64_t b = 0; b < real_.row_blocks(); ++b) plain_block(b);
    }
  }

 private:
  const uint32_t* block_queries(int64_t b) const { return real_.queries.data() + b * kTileRows; }

  void make_scores(int64_t b, const Block& block) {
    const int64_t padded = real_.product_rows(b);
    const Packed rows =
        pack_if_needed(query_, real_.queries, b * kTileRows, block.rows, padded, p_.channels, work_.query_rows);
    multiply_into_block(block, padded, rows, p_.channels, work_.keys);
  }

  // S → e, with the row's maximum and sum.
  void make_exponentials(int64_t b, const Block& block) {
    const int64_t row = b * kTileRows;
    make_scores(b, block);
    exponentials(block, real_.keys.size(), saved_.row_max + row, saved_.inverse_sum + row);
  }

  // V as it is, and diag(w) V; rows up to the next multiple of 16 are 0.
  Packed plain_values() {
    if (!plain_values_.data) {
      plain_values_ =
          pack_if_needed(value_, real_.keys, 0, real_.keys.size(), real_.key_columns, p_.channels, work_.plain_values);
    }
    return plain_values_;
  }

  void pack_weighted_values() {
    const int64_t count = real_.keys.size();
    for (int64_t n = 0; n < count; ++n) {
      pack_rows(value_, real_.keys.data() + n, 1, p_.channels, work_.column_weights[n], work_.values + n * p_.channels);
    }
    std::fill(work_.values + count * p_.channels, work_.values + real_.key_columns * p_.channels, 0.0f);
  }

  // Sweep 1, then the column weights.
  void collect_messages() {
    std::fill(work_.column_sum, work_.column_sum + real_.key_columns, 0.0);
    for (int64_t b = 0; b < real_.row_blocks(); ++b) {
      const Block block = work_.block(b, real_);
      make_exponentials(b, block);
      fold_messages(block, saved_.inverse_sum + b * kTileRows, constants_.messages, work_.column_sum);
    }
    const int64_t count = real_.keys.size();
    const double largest = *std::max_element(work_.column_sum, work_.column_sum + count);
    for (int64_t k = 0; k < real_.key_columns; ++k) {
      work_.column_bias[k] = k < count ? static_cast<float>(work_.column_sum[k] - largest) : 0.0f;
    }
    std::copy(work_.column_bias, work_.column_bias + count, saved_.column_bias);
    powers(work_.column_bias, real_.key_columns, work_.column_weights);
    pack_weighted_values();
  }

  void drop_block(int64_t b, const Block& block) {
    if (!constants_.dropout) return;
    uint64_t row_keys[kTileRows];
    dropout_row_keys(p_, index_, block_queries(b), block.rows, row_keys);
    drop(block, {row_keys, real_.keys.data(), constants_.dropout_threshold});
  }

  void plain_block(int64_t b) {
    const Block block = work_.block(0, real_);
    const Block rows{block.data, real_.block_rows(b), block.columns};
    make_exponentials(b, rows);
    drop_block(b, rows);
    multiply_block(rows, real_.product_rows(b), plain_values(), p_.channels, work_.output_rows);
    for (int64_t i = 0; i < rows.rows; ++i) {
      const int64_t row = b * kTileRows + i;
      write_row(row, work_.output_rows + i * p_.channels, constants_.kept_scale * saved_.inverse_sum[row]);
    }
  }

  // Sweep 2.
  void refined_block(int64_t b) {
    const Block block = work_.block(b, real_);
    if (work_.kept_blocks == 1 && real_.row_blocks() > 1) {
      // What sweep 1 left of this block is gone; the column sums that this adds to are no longer needed.
      make_exponentials(b, block);
      fold_messages(block, saved_.inverse_sum + b * kTileRows, constants_.messages, work_.column_sum);
    }
    float total[kTileRows];
    weighted_totals(block, work_.column_weights, total);
    drop_block(b, block);
    multiply_block(block, real_.product_rows(b), {work_.values, p_.channels}, p_.channels, work_.output_rows);
    bool underflow = false;
    for (int64_t i = 0; i < block.rows; ++i) {
      const int64_t row = b * kTileRows + i;
      const bool folds = !(total[i] < kSmallestTotal);
      underflow |= !folds;
      saved_.fold_ratio[row] = folds ? 1.0f / (saved_.inverse_sum[row] * total[i]) : 0.0f;
      saved_.refined_logsumexp[row] = 0.0f;
      if (folds) write_row(row, work_.output_rows + i * p_.channels, constants_.kept_scale / total[i]);
    }
    if (underflow) logarithmic_rows(b);
  }

  // Those rows of the block whose folded sum underflowed, by logarithms.
  void logarithmic_rows(int64_t b) {
    const Block block{work_.spare_block, real_.block_rows(b), real_.key_columns};
    const int64_t first = b * kTileRows;
    float refined_logsumexp[kTileRows];
    make_scores(b, block);
    refine_by_logarithms(block, real_.keys.size(), saved_.row_max + first, saved_.inverse_sum + first,
                         work_.column_bias, constants_.messages, refined_logsumexp);
    drop_block(b, block);
    multiply_block(block, real_.product_rows(b), plain_values(), p_.channels, work_.spare_rows);
    for (int64_t i = 0; i < block.rows; ++i) {
      if (saved_.fold_ratio[first + i] != 0.0f) continue;
      saved_.refined_logsumexp[first + i] = refined_logsumexp[i];
      write_row(first + i, work_.spare_rows + i * p_.channels, constants_.kept_scale);
    }
  }

  void write_row(int64_t row, const float* source, float factor) {
    float* target = output_[real_.queries[row]];
    for (int64_t d = 0; d < p_.channels; ++d) target[d] = source[d] * factor;
  }

  const Problem& p_;
  const Constants& constants_;
  const RealRows& real_;
  int64_t index_;  // batch · heads + head
  Workspace& work_;
  SavedHead saved_;
  Rows<const float> query_, key_, value_;
  Rows<float> output_;
  Packed plain_values_{nullptr, 0};  // made when first asked for
};

}  // namespace

void forward(const Problem& problem, const View<const float>& query, const View<const float>& key,
             const View<const float>& value, const View<float>& output, const Saved& saved) {
  apply_environment();
  const Constants constants(problem);
  at::parallel_for(0, problem.batch * problem.heads, 1, [&](int64_t begin, int64_t end) {
    Workspace work(problem);
    for (int64_t index = begin; index < end; ++index) {
      const int64_t batch = index / problem.heads, head = index % problem.heads;
      const RealRows real(problem, batch);
      const Rows<float> rows = head_rows(output, batch, head);
      if (real.queries.size() < static_cast<size_t>(problem.queries) || real.keys.empty()) {
        for (int64_t i = 0; i < problem.queries; ++i) std::fill(rows[i], rows[i] + problem.channels, 0.0f);
      }
      if (real.queries.empty() || real.keys.empty()) continue;
      Head(problem, constants, real, index, work, SavedHead(saved, problem, index), head_rows(query, batch, head),
           head_rows(key, batch, head), head_rows(value, batch, head), rows)
          .run();
    }
  });
}

}  // namespace saobp::attention::cpu
