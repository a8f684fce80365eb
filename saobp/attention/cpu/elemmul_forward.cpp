// Fused forward pass of ElemMul, encoder form. For each head:
//   sweep 1, by blocks of 64 rows: S = Q Kᵀ; e = 2^(S − max), n = 1 / Σ e;  s += eᵀ n;  Tᵀ += (n V)ᵀ e
//   sweep 2, by blocks:            z = n (e s);  O = n (e ⊙ R) T / z
// The blocks of e are kept between the sweeps while they are small, else made again.
#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_head.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

struct Workspace {
  explicit Workspace(const ElemmulProblem& p)
      : columns(round_up(p.length, kTileColumns)),
        kept_blocks(elemmul_blocks_kept(p)),
        scratch(kept_blocks * kTileRows * columns + 2 * columns * p.channels + 3 * kTileRows * p.channels +
                3 * columns + 16 * kLanes),
        keys(scratch.floats(columns * p.channels)),
        table(scratch.floats(columns * p.channels)),
        blocks(scratch.floats(kept_blocks * kTileRows * columns)),
        rows(scratch.floats(kTileRows * p.channels)),
        transposed_rows(scratch.floats(kTileRows * p.channels)),
        output_rows(scratch.floats(kTileRows * p.channels)),
        column_sum(scratch.doubles(columns)),
        column_weights(scratch.floats(columns)) {}

  Block block(int64_t index, const ElemmulRows& real) const {
    return {blocks + (kept_blocks > 1 ? index : 0) * kTileRows * columns, real.block_rows(index), real.key_columns};
  }

  int64_t columns, kept_blocks;
  Scratch scratch;
  float *keys, *table;                          // Kᵀ in tiles; T [L][channels]
  float* blocks;                                // e
  float *rows, *transposed_rows, *output_rows;  // [64][channels], [channels][64], [64][channels]
  double* column_sum;                           // s
  float* column_weights;                        // s
};

class EncoderHead {
 public:
  EncoderHead(const ElemmulHead& head, Workspace& work, const ElemmulSaved& saved, Rows<float> output)
      : head_(head), p_(head.problem), real_(head.real), work_(work), saved_(saved), output_(output) {
    row_max_ = saved.rows + head.index * p_.length;
    inverse_sum_ = row_max_ + p_.batch * p_.heads * p_.length;
    z_ = inverse_sum_ + p_.batch * p_.heads * p_.length;
    columns_ = saved.columns + head.index * p_.length;
    table_ = saved.tables + head.index * elemmul_table_size(false, p_.length, p_.channels);
  }

  void run() {
    pack_transposed(head_.key, real_.keys.data(), real_.keys.size(), p_.channels, head_.constants.score_scale,
                    work_.keys);
    std::fill(work_.column_sum, work_.column_sum + real_.key_columns, 0.0);
    for (int64_t b = 0; b < real_.row_blocks(); ++b) collect(b);
    std::copy(work_.column_sum, work_.column_sum + real_.key_columns, work_.column_weights);
    std::copy(work_.column_weights, work_.column_weights + real_.keys.size(), columns_);
    untile(table_, real_.key_columns, p_.channels, work_.table);
    for (int64_t b = 0; b < real_.row_blocks(); ++b) write_block(b);
  }

 private:
  void make_exponentials(int64_t b, const Block& block, RowStatistics* statistics) {
    head_.make_scores(b, block, work_.keys, work_.rows);
    exponentials(block, real_.keys.size(), row_max_ + b * kTileRows, inverse_sum_ + b * kTileRows, statistics);
  }

  // Sweep 1.
  void collect(int64_t b) {
    const Block block = work_.block(b, real_);
    const float* inverse_sum = inverse_sum_ + b * kTileRows;
    RowStatistics statistics[kTileRows];
    make_exponentials(b, block, saved_.statistics ? statistics : nullptr);
    if (saved_.statistics) store_statistics(head_, b, statistics, saved_);
    add_columns(block, inverse_sum, work_.column_sum);
    transpose_rows(head_.value_rows(b, work_.rows), block.rows, p_.channels, inverse_sum, work_.transposed_rows);
    accumulate_transposed(work_.transposed_rows, block, block.rows, p_.channels, table_, /*add=*/b > 0);
  }

  // Sweep 2.
  void write_block(int64_t b) {
    const Block block = work_.block(b, real_);
    if (work_.kept_blocks == 1 && real_.row_blocks() > 1) make_exponentials(b, block, /*statistics=*/nullptr);
    float total[kTileRows];
    weighted_totals(block, work_.column_weights, total);
    head_.drop_block(b, block);
    multiply_block(block, real_.product_rows(b), {work_.table, p_.channels}, p_.channels, work_.output_rows);
    for (int64_t i = 0; i < block.rows; ++i) {
      const int64_t row = b * kTileRows + i;
      z_[row] = total[i] * inverse_sum_[row];
      const float factor = head_.constants.kept_scale / total[i];
      const float* source = work_.output_rows + i * p_.channels;
      float* target = output_[real_.queries[row]];
      for (int64_t d = 0; d < p_.channels; ++d) target[d] = source[d] * factor;
    }
  }

  const ElemmulHead& head_;
  const ElemmulProblem& p_;
  const ElemmulRows& real_;
  Workspace& work_;
  const ElemmulSaved& saved_;
  float *row_max_, *inverse_sum_, *z_, *columns_, *table_;
  Rows<float> output_;
};

}  // namespace

void elemmul_forward(const ElemmulProblem& problem, const View<const float>& query, const View<const float>& key,
                     const View<const float>& value, const View<float>& output, const ElemmulSaved& saved) {
  apply_environment();
  const ElemmulConstants constants(problem);
  const int64_t group = problem.heads / problem.key_heads;
  at::parallel_for(0, problem.batch * problem.heads, 1, [&](int64_t begin, int64_t end) {
    std::optional<Workspace> work;
    std::optional<ElemmulCausalForward> causal;
    if (problem.causal) {
      causal.emplace(problem);
    } else {
      work.emplace(problem);
    }
    for (int64_t index = begin; index < end; ++index) {
      const int64_t batch = index / problem.heads, head = index % problem.heads;
      const ElemmulRows real(problem, batch);
      const Rows<float> rows = head_rows(output, batch, head);
      if (real.any_left_out(problem.length)) {
        clear_rows(rows, problem.length, problem.channels);
      }
      if (real.queries.empty() || real.keys.empty()) continue;
      const ElemmulHead one{problem,
                            constants,
                            real,
                            index,
                            head_rows(query, batch, head),
                            head_rows(key, batch, head / group),
                            head_rows(value, batch, head / group)};
      if (problem.causal) {
        causal->run(one, saved, rows);
      } else {
        EncoderHead(one, *work, saved, rows).run();
      }
    }
  });
}

}  // namespace saobp::attention::cpu
