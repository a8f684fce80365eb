// Fused backward pass of ElemMul, encoder form (docs/method.md, section 5). For each head, g = ∂L/∂O:
//   dN = g / z,  dz_j = −g_j · O_j / z_j
//   sweep 1, by blocks of 64 rows: A from S = Q Kᵀ;  dTᵀ += dNᵀ (A ⊙ R);  ds += Aᵀ dz
//   sweep 2, by blocks:            x = ∂L/∂A = R ⊙ (dN Tᵀ) + dz s + V dTᵀ + ds;  dV = A dT
//                                  dS = A ⊙ (x − E), E_j = Σ_k A x;  dQ = dS K;  dKᵀ += Qᵀ dS
// The blocks of A are kept between the sweeps while they are small, else made again. dK and dV are summed up over the
// query heads that share a key head.
#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/elemmul_causal.h"
#include "saobp/attention/cpu/elemmul_gradient.h"
#include "saobp/attention/cpu/elemmul_rows.h"

namespace saobp::attention::cpu {
namespace {

struct EncoderWorkspace {
  explicit EncoderWorkspace(const ElemmulProblem& p)
      : columns(round_up(p.length, kTileColumns)),
        kept_blocks(elemmul_blocks_kept(p)),
        scratch((kept_blocks + 1) * kTileRows * columns + 2 * columns * p.channels + 4 * columns + 16 * kLanes),
        attention(scratch.floats(kept_blocks * kTileRows * columns)),
        spare(scratch.floats(kTileRows * columns)),
        table_gradient(scratch.floats(columns * p.channels)),
        table_gradient_rows(scratch.floats(columns * p.channels)),
        sum_gradient(scratch.doubles(columns)),
        column_sum(scratch.floats(columns)),
        sum_gradient_float(scratch.floats(columns)) {}

  int64_t columns, kept_blocks;
  Scratch scratch;
  float *attention, *spare;                     // A; A ⊙ R, later x, of one block
  float *table_gradient, *table_gradient_rows;  // dTᵀ in tiles; dT [L][channels]
  double* sum_gradient;                         // ds
  float *column_sum, *sum_gradient_float;       // s, ds
};

class EncoderHead {
 public:
  EncoderHead(ElemmulGradientHead& head, EncoderWorkspace& work, const ElemmulSaved& saved)
      : head_(head), p_(head.head.problem), real_(head.head.real), work_(work) {
    const int64_t index = head.head.index;
    table_ = saved.tables + index * elemmul_table_size(false, p_.length, p_.channels);
    std::copy_n(saved.columns + index * p_.length, real_.keys.size(), work_.column_sum);
    std::fill(work_.column_sum + real_.keys.size(), work_.column_sum + real_.key_columns, 0.0f);
  }

  void run() {
    std::fill(work_.sum_gradient, work_.sum_gradient + real_.key_columns, 0.0);
    for (int64_t b = 0; b < real_.row_blocks(); ++b) collect(b);
    std::copy(work_.sum_gradient, work_.sum_gradient + real_.key_columns, work_.sum_gradient_float);
    untile(work_.table_gradient, real_.key_columns, p_.channels, work_.table_gradient_rows);
    for (int64_t b = 0; b < real_.row_blocks(); ++b) finish(b);
  }

 private:
  Block block_of(float* data, int64_t b) const { return {data, real_.block_rows(b), real_.key_columns}; }
  Block attention_block(int64_t b) const {
    return block_of(work_.attention + (work_.kept_blocks > 1 ? b : 0) * kTileRows * work_.columns, b);
  }

  // Sweep 1.
  void collect(int64_t b) {
    const Block attention = attention_block(b);
    head_.make_attention(b, attention);
    add_columns(attention, head_.dz(b), work_.sum_gradient);
    const Block left = head_.dropped(b, attention, work_.spare);
    const Packed numerator = head_.numerator_gradient(b);
    accumulate_transposed(head_.transposed(numerator, b), left, left.rows, p_.channels, work_.table_gradient, b > 0);
  }

  // Sweep 2.
  void finish(int64_t b) {
    const Block attention = attention_block(b), x = block_of(work_.spare, b);
    if (work_.kept_blocks == 1 && real_.row_blocks() > 1) head_.make_attention(b, attention);
    const int64_t padded = real_.product_rows(b);
    multiply_into_block(x, padded, head_.numerator_gradient(b), p_.channels, table_);
    head_.head.drop_block(b, x);
    add_into_block(x, padded, head_.values(b), p_.channels, work_.table_gradient);
    multiply_block(attention, padded, {work_.table_gradient_rows, p_.channels}, p_.channels, head_.spare_rows());
    head_.write_value_gradient(b);
    encoder_score_gradient(attention, x, head_.dz(b), work_.column_sum, work_.sum_gradient_float);
    head_.add_score_gradient(b, x, /*first=*/true);
  }

  ElemmulGradientHead& head_;
  const ElemmulProblem& p_;
  const ElemmulRows& real_;
  EncoderWorkspace& work_;
  const float* table_;
};

}  // namespace

void elemmul_backward(const ElemmulProblem& problem, const View<const float>& query, const View<const float>& key,
                      const View<const float>& value, const View<const float>& output,
                      const View<const float>& output_gradient, const ElemmulSaved& saved,
                      const ElemmulGradients& gradients) {
  apply_environment();
  const ElemmulConstants constants(problem);
  const int64_t group = problem.heads / problem.key_heads;
  at::parallel_for(0, problem.batch * problem.key_heads, 1, [&](int64_t begin, int64_t end) {
    ElemmulGradientWorkspace work(problem);
    std::optional<EncoderWorkspace> encoder;
    std::optional<ElemmulCausalBackward> causal;
    if (problem.causal) {
      causal.emplace(problem);
    } else {
      encoder.emplace(problem);
    }
    for (int64_t index = begin; index < end; ++index) {
      const int64_t batch = index / problem.key_heads, key_head = index % problem.key_heads;
      const ElemmulRows real(problem, batch);
      const bool nothing = real.queries.empty() || real.keys.empty();
      const Rows<float> key_gradient = head_rows(gradients.key, batch, key_head);
      const Rows<float> value_gradient = head_rows(gradients.value, batch, key_head);
      if (real.any_left_out(problem.length)) {
        clear_rows(key_gradient, problem.length, problem.channels);
        clear_rows(value_gradient, problem.length, problem.channels);
      }
      for (int64_t member = 0; member < group; ++member) {
        const int64_t head = key_head * group + member;
        const Rows<float> query_gradient = head_rows(gradients.query, batch, head);
        if (real.any_left_out(problem.length)) clear_rows(query_gradient, problem.length, problem.channels);
        if (nothing) continue;
        const ElemmulHead one{problem,
                              constants,
                              real,
                              batch * problem.heads + head,
                              head_rows(query, batch, head),
                              head_rows(key, batch, key_head),
                              head_rows(value, batch, key_head)};
        ElemmulGradientHead gradient_head(one, work, saved, head_rows(output, batch, head),
                                          head_rows(output_gradient, batch, head), query_gradient, value_gradient,
                                          /*first_of_group=*/member == 0);
        if (problem.causal) {
          causal->run(gradient_head, saved);
        } else {
          EncoderHead(gradient_head, *encoder, saved).run();
        }
      }
      if (!nothing) {
        unpack_transposed(work.key_gradient, real.keys.data(), real.keys.size(), problem.channels,
                          constants.gradient_scale, key_gradient);
      }
    }
  });
}

}  // namespace saobp::attention::cpu
