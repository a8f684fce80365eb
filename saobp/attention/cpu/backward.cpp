// Fused backward pass (docs/method.md, "Gradients"). For each head, g = ∂L/∂O:
//   sweep 1, by blocks of 64 rows: S = Q Kᵀ and g Vᵀ are made; A, B and dZ = B ⊙ (dB − D) from them;
//                                  dVᵀ += gᵀ (B ⊙ R);  dc += columns of dZ
//   sweep 2, by blocks:            dS = dZ + A ⊙ (dA − E);  dQ = dS K;  dKᵀ += Qᵀ dS
// Strength 0 needs sweep 1 only, with dS = dZ. A and dZ are kept between the sweeps as far as kKeptFloats allows.
#include <algorithm>

#include "saobp/attention/cpu/backward_head.h"
#include "saobp/attention/cpu/dispatch.h"

namespace saobp::attention::cpu {
namespace {

// Strength 0, encoder or causal.
template <class T, class KeyT, class E>
void plain_backward(const BackwardHead<T, KeyT, E>& h, BackwardOwn* own) {
  for_chunks(h.p, h.chunks.count(), own, [&](int64_t chunk, BackwardOwn& mine) {
    float* key_part = h.shared.key_sum.begin_chunk(chunk, mine.key_part);
    float* value_part = h.shared.value_sum.begin_chunk(chunk, mine.value_part);
    for (int64_t b = h.chunks.begin(chunk); b < h.chunks.end(chunk); ++b) {
      const BackwardBlock block = h.blocks(b, mine.scores, mine.gradients, mine.weights);
      const auto upstream = h.make_products(b, block, mine);
      h.with_dropout(b, [&](const DropoutBlock* dropout) {
        plain_gradient(block, h.saved_rows(b), dropout, h.constants.kept_scale);
      });
      h.accumulate(upstream, block.weights, value_part, mine);
      h.finish_block(b, block.gradient, key_part, mine);
    }
    h.shared.key_sum.end_chunk(key_part);
    h.shared.value_sum.end_chunk(value_part);
  });
}

template <class T, class KeyT, class E>
class RefinedHead {
 public:
  RefinedHead(const BackwardHead<T, KeyT, E>& head, const float* bias) : h_(head) {
    const int64_t count = h_.real.keys.size(), padded = h_.real.key_columns;
    std::copy(bias, bias + count, h_.shared.column_bias);
    std::fill(h_.shared.column_bias + count, h_.shared.column_bias + padded, 0.0f);
    powers(h_.shared.column_bias, padded, h_.shared.column_weights);
  }

  void run(BackwardOwn* own) {
    for_chunks(h_.p, h_.chunks.count(), own, [&](int64_t chunk, BackwardOwn& mine) { first_sweep(chunk, mine); });
    sum_columns();
    for_chunks(h_.p, h_.chunks.count(), own, [&](int64_t chunk, BackwardOwn& mine) { second_sweep(chunk, mine); });
  }

 private:
  BackwardBlock block(int64_t b, BackwardOwn& own) const {
    const int64_t offset = b * kTileRows * h_.shared.columns;
    return h_.blocks(b, kept(b) ? h_.shared.scores + offset : own.scores,
                     kept(b) ? h_.shared.gradients + offset : own.gradients, own.weights);
  }
  bool kept(int64_t b) const { return b < h_.shared.kept_blocks; }

  // S → A, g Vᵀ → dZ.
  PackedOf<E> make_gradient(int64_t b, const BackwardBlock& block, BackwardOwn& own, double* sums) const {
    const auto upstream = h_.make_products(b, block, own);
    h_.with_dropout(b, [&](const DropoutBlock* dropout) {
      refined_gradient(block, h_.saved_rows(b), h_.constants.messages, dropout, h_.constants.kept_scale, sums);
    });
    return upstream;
  }

  void first_sweep(int64_t chunk, BackwardOwn& own) const {
    double* sums = h_.shared.chunk_sums + chunk * h_.shared.columns;
    std::fill(sums, sums + h_.real.key_columns, 0.0);
    float* part = h_.shared.value_sum.begin_chunk(chunk, own.value_part);
    for (int64_t b = h_.chunks.begin(chunk); b < h_.chunks.end(chunk); ++b) {
      const BackwardBlock block = this->block(b, own);
      const auto upstream = make_gradient(b, block, own, sums);
      h_.accumulate(upstream, block.weights, part, own);
    }
    h_.shared.value_sum.end_chunk(part);
  }

  void sum_columns() const {
    double* sums = h_.shared.chunk_sums;
    sum_chunks(sums, h_.chunks, h_.shared.columns, h_.real.key_columns);
    std::copy(sums, sums + h_.real.key_columns, h_.shared.column_gradient);
  }

  void second_sweep(int64_t chunk, BackwardOwn& own) const {
    float* part = h_.shared.key_sum.begin_chunk(chunk, own.key_part);
    std::fill(own.chunk_sum, own.chunk_sum + h_.real.key_columns, 0.0);
    double strength = 0;
    // Backwards: the last blocks of the first sweep may still be in the cache.
    for (int64_t b = h_.chunks.end(chunk) - 1; b >= h_.chunks.begin(chunk); --b) {
      const BackwardBlock block = this->block(b, own);
      // What the first sweep left of this block may be gone; its column sums are known.
      if (!kept(b)) make_gradient(b, block, own, own.chunk_sum);
      strength += score_gradient(block.scores, block.gradient, h_.constants.messages, h_.constants.t,
                                 h_.shared.column_gradient);
      h_.finish_block(b, block.gradient, part, own);
    }
    h_.shared.chunk_strength[chunk] = strength;
    h_.shared.key_sum.end_chunk(part);
  }

  const BackwardHead<T, KeyT, E>& h_;
};

template <class T, class KeyT, class E>
double run_head(BackwardHead<T, KeyT, E>& head, const float* bias, BackwardOwn* own) {
  const bool causal = head.constants.refine && head.p.causal;
  head.prepare_columns();
  if (causal) {
    causal_backward(head, own);
  } else if (head.constants.refine) {
    RefinedHead<T, KeyT, E>(head, bias).run(own);
  } else {
    plain_backward(head, own);
  }
  head.store_key_gradients(/*backwards=*/causal);
  return head.constants.refine ? head.strength_gradient() : 0;
}

// What runs one head, for in_one_thread and over_threads.
template <class E, class T, class KeyT>
auto one_head(const Problem& problem, const Inputs<T>& inputs, const OutputGradient<T>& upstream, const Saved& saved,
              const Gradients<T, KeyT>& gradients) {
  return [&problem, inputs, upstream, saved, gradients](int64_t index, BackwardShared& shared, BackwardOwn* own) {
    const int64_t batch = index / problem.heads, head = index % problem.heads, key_head = head / problem.group;
    const Constants constants(problem, head);
    const RealRows real(problem, batch);
    const auto of = [&](const auto& view) { return head_rows(view, batch, head); };
    const HeadRows<T, KeyT> rows{of(inputs.query),
                                 head_rows(inputs.key, batch, key_head),
                                 head_rows(inputs.value, batch, key_head),
                                 of(upstream.output),
                                 of(upstream.gradient),
                                 of(gradients.query),
                                 of(gradients.key),
                                 of(gradients.value)};
    const bool nothing = real.queries.empty() || real.keys.empty();
    if (nothing || real.queries.size() < static_cast<size_t>(problem.queries)) {
      clear_rows(rows.query_gradient, problem.queries, problem.channels);
    }
    if (nothing || real.keys.size() < static_cast<size_t>(problem.keys)) {
      clear_rows(rows.key_gradient, problem.keys, problem.channels);
      clear_rows(rows.value_gradient, problem.keys, problem.channels);
    }
    gradients.strength[index] = 0;
    if (nothing) return;
    const int64_t plane = problem.batch * problem.heads * problem.queries, columns = index * problem.keys;
    const float* saved_rows = saved.rows + index * problem.queries;
    BackwardHead<T, KeyT, E> work{
        {problem, constants, real, index},
        shared,
        {saved_rows, saved_rows + plane, saved_rows + 2 * plane, saved_rows + 3 * plane, shared.delta,
         shared.column_bias, shared.column_weights},
        saved.prefix_sums ? saved.prefix_sums + columns * chunk_count(problem.queries) : nullptr,
        rows,
        own != nullptr,
        Chunks(real)};
    gradients.strength[index] = run_head(work, saved.column_bias ? saved.column_bias + columns : nullptr, own);
  };
}

}  // namespace

template <class T, class KeyT>
void backward_heads(const Problem& problem, const Inputs<T>& inputs, const OutputGradient<T>& upstream,
                    const Saved& saved, const Gradients<T, KeyT>& gradients, int64_t begin, int64_t end) {
  apply_environment();
  with_operand<T>([&]<class E>(E) {
    in_one_thread<BackwardShared, BackwardOwn>(problem, begin, end,
                                               one_head<E>(problem, inputs, upstream, saved, gradients));
  });
}

template <class T, class KeyT>
void backward(const Problem& problem, const Inputs<T>& inputs, const OutputGradient<T>& upstream, const Saved& saved,
              const Gradients<T, KeyT>& gradients) {
  apply_environment();
  with_operand<T>([&]<class E>(E) {
    over_threads<BackwardShared, BackwardOwn>(problem, one_head<E>(problem, inputs, upstream, saved, gradients));
  });
}

#define SAOBP_BACKWARD(T, KeyT)                                                                          \
  template void backward_heads(const Problem&, const Inputs<T>&, const OutputGradient<T>&, const Saved&, \
                               const Gradients<T, KeyT>&, int64_t, int64_t);                             \
  template void backward(const Problem&, const Inputs<T>&, const OutputGradient<T>&, const Saved&,       \
                         const Gradients<T, KeyT>&);
SAOBP_BACKWARD(float, float)
SAOBP_BACKWARD(c10::BFloat16, float)
SAOBP_BACKWARD(c10::BFloat16, c10::BFloat16)
#undef SAOBP_BACKWARD

}  // namespace saobp::attention::cpu
