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

template <class T, class KeyT>
struct BackwardCall {
  const Inputs<T>& inputs;
  const OutputGradient<T>& upstream;
  const Saved& saved;
  const Gradients<T, KeyT>& gradients;
  int64_t queries, keys;

  template <class F>
  void each_result(F&& f) const {
    f(gradients.query, queries);
    f(gradients.key, keys);
    f(gradients.value, keys);
  }
};

template <class T, class KeyT, class E>
class BackwardPass {
 public:
  using Shared = BackwardShared;
  using Own = BackwardOwn;

  BackwardPass(const Head& head, const BackwardCall<T, KeyT>& call, Shared& shared)
      : rows_{head.query_rows(call.inputs.query),      head.key_rows(call.inputs.key),
              head.key_rows(call.inputs.value),        head.query_rows(call.upstream.output),
              head.query_rows(call.upstream.gradient), head.query_rows(call.gradients.query),
              head.query_rows(call.gradients.key),     head.query_rows(call.gradients.value)},
        head_{head,  shared,           saved_rows(head, call.saved, shared), prefix_sums(head, call.saved), rows_,
              false, Chunks(head.real)},
        column_bias_(call.saved.column_bias ? call.saved.column_bias + head.index * head.p.keys : nullptr),
        strength_(call.gradients.strength + head.index) {}

  void run(Own* own) {
    head_.alone = own != nullptr;
    *strength_ = run_head(head_, column_bias_, own);
  }

 private:
  static SavedRows saved_rows(const Head& head, const Saved& saved, const Shared& shared) {
    const int64_t plane = head.p.batch * head.p.heads * head.p.queries;
    const float* rows = saved.rows + head.index * head.p.queries;
    return {rows,         rows + plane,       rows + 2 * plane,     rows + 3 * plane,
            shared.delta, shared.column_bias, shared.column_weights};
  }
  static const double* prefix_sums(const Head& head, const Saved& saved) {
    return saved.prefix_sums ? saved.prefix_sums + head.index * head.p.keys * chunk_count(head.p.queries) : nullptr;
  }

  HeadRows<T, KeyT> rows_;
  BackwardHead<T, KeyT, E> head_;
  const float* column_bias_;
  double* strength_;
};

}  // namespace

template <class T, class KeyT>
void backward(const Problem& problem, const Inputs<T>& inputs, const OutputGradient<T>& upstream, const Saved& saved,
              const Gradients<T, KeyT>& gradients, std::optional<HeadRange> some) {
  with_operand<T>([&]<class E>(E) {
    run_heads<BackwardPass<T, KeyT, E>>(
        problem, BackwardCall<T, KeyT>{inputs, upstream, saved, gradients, problem.queries, problem.keys}, some);
  });
}

#define SAOBP_BACKWARD(T, KeyT)                                                                    \
  template void backward(const Problem&, const Inputs<T>&, const OutputGradient<T>&, const Saved&, \
                         const Gradients<T, KeyT>&, std::optional<HeadRange>);
SAOBP_BACKWARD(float, float)
SAOBP_BACKWARD(c10::BFloat16, float)
SAOBP_BACKWARD(c10::BFloat16, c10::BFloat16)
#undef SAOBP_BACKWARD

}  // namespace saobp::attention::cpu
