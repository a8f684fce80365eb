// Fused forward pass. For each head:
//   sweep 1, by blocks of 64 rows: S = Q Kᵀ; e = 2^(S − max), row sums; log2 of the messages' products into c;
//                                  p = e / (1 − tA) in place (own message excluded)
//   then   w = 2^(c − max c),  V' = diag(w) V
//   sweep 2, by blocks:            z = p w,  O = p V' / z
// so that B = A w / u · fold ratio, with fold ratio = Σ e / z. Rows with z < 1e-25 are made once more by logarithms.
// Products of bfloat16 take p diag(w), rounded, and V as it is.
// Strength 0 needs sweep 1 only, encoder or causal.
#include <algorithm>

#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/forward_head.h"

namespace saobp::attention::cpu {
namespace {

template <class T, class E>
void plain_block(const ForwardHead<T, E>& head, int64_t b, ForwardOwn& own) {
  const Block block = head.block(b, own.block);
  RowStatistics statistics[kTileRows];
  head.make_exponentials(b, block, own, head.wanted(statistics));
  head.store_statistics(b, block.rows, Matrix::attention, head.wanted(statistics));
  head.store_statistics(b, block.rows, Matrix::refined, head.wanted(statistics));
  float factors[kTileRows];
  const float* inverse_sum = head.saved.inverse_sum + b * kTileRows;
  for (int64_t i = 0; i < block.rows; ++i) factors[i] = head.constants.kept_scale * inverse_sum[i];
  head.store_output(b, head.drop_and_round(b, block, own), head.values, factors, own);
}

template <class T, class E>
class RefinedHead {
 public:
  explicit RefinedHead(ForwardHead<T, E>& head) : h_(head) {}

  void run(ForwardOwn* own) {
    for_chunks(h_.p, h_.chunks.count(), own, [&](int64_t chunk, ForwardOwn& mine) { collect_messages(chunk, mine); });
    weigh_columns();
    if (!own || !kFloats) h_.pack_values();  // not when some row wants them: then several threads at once would pack
    for_chunks(h_.p, h_.chunks.count(), own, [&](int64_t chunk, ForwardOwn& mine) {
      // Backwards: the last blocks of sweep 1 may still be in the cache.
      for (int64_t b = h_.chunks.end(chunk) - 1; b >= h_.chunks.begin(chunk); --b) refined_block(b, mine);
    });
  }

 private:
  Block block(int64_t b, ForwardOwn& own) const {
    return h_.block(b, kept(b) ? h_.shared.blocks + b * kTileRows * h_.shared.columns : own.block);
  }
  bool kept(int64_t b) const { return b < h_.shared.kept_blocks; }

  void make_messages(int64_t b, const Block& block, ForwardOwn& own, double* sums, RowStatistics* statistics) {
    h_.make_exponentials(b, block, own, statistics);
    fold_messages(block, h_.saved.inverse_sum + b * kTileRows, h_.constants.messages, sums);
  }

  // Sweep 1.
  void collect_messages(int64_t chunk, ForwardOwn& own) {
    double* sums = h_.shared.chunk_sums + chunk * h_.shared.columns;
    std::fill(sums, sums + h_.real.key_columns, 0.0);
    for (int64_t b = h_.chunks.begin(chunk); b < h_.chunks.end(chunk); ++b) {
      RowStatistics statistics[kTileRows];
      make_messages(b, block(b, own), own, sums, h_.wanted(statistics));
      h_.store_statistics(b, h_.real.block_rows(b), Matrix::attention, h_.wanted(statistics));
    }
  }

  void weigh_columns() {
    const int64_t count = h_.real.keys.size(), padded = h_.real.key_columns, channels = h_.p.channels;
    double* sums = h_.shared.chunk_sums;
    sum_chunks(sums, h_.chunks, h_.shared.columns, count);
    const double largest = *std::max_element(sums, sums + count);
    float* bias = h_.shared.column_bias;
    for (int64_t k = 0; k < padded; ++k) bias[k] = k < count ? static_cast<float>(sums[k] - largest) : 0.0f;
    std::copy(bias, bias + count, h_.saved.column_bias);
    powers(bias, padded, h_.shared.column_weights);
    if (!kFloats) return;
    float* values = h_.shared.weighted_values;
    for (int64_t n = 0; n < count; ++n) {
      pack_rows(h_.value, h_.real.keys.data() + n, 1, channels, h_.shared.column_weights[n], values + n * channels);
    }
    std::fill(values + count * channels, values + padded * channels, 0.0f);
  }

  // Sweep 2.
  void refined_block(int64_t b, ForwardOwn& own) {
    const Block block = this->block(b, own);
    if (!kept(b)) {
      // What sweep 1 left of this block is gone; the sums of its messages are known.
      make_messages(b, block, own, own.chunk_sum, /*statistics=*/nullptr);
    }
    const int64_t first = b * kTileRows;
    float total[kTileRows], factors[kTileRows];
    const auto weights = weigh(b, block, own, total);
    bool underflow = false;
    for (int64_t i = 0; i < block.rows; ++i) {
      const bool folds = !(total[i] < kSmallestTotal);
      underflow |= !folds;
      h_.saved.fold_ratio[first + i] = folds ? 1.0f / (h_.saved.inverse_sum[first + i] * total[i]) : 0.0f;
      h_.saved.refined_logsumexp[first + i] = 0.0f;
      factors[i] = folds ? h_.constants.kept_scale / total[i] : 0.0f;
    }
    h_.store_output(b, weights, weighted_values(), factors, own);
    if (underflow) logarithmic_rows(b, own);
  }

  // p, or p diag(w) of bfloat16, without what dropout drops, and the sums of p diag(w).
  BlockOf<E> weigh(int64_t b, const Block& block, ForwardOwn& own, float* total) const {
    const float* weights = h_.shared.column_weights;
    RowStatistics statistics[kTileRows];
    if (kFloats || h_.wanted(statistics)) weighted_totals(block, weights, total, h_.wanted(statistics));
    h_.store_statistics(b, block.rows, Matrix::refined, h_.wanted(statistics));
    if constexpr (kFloats) {
      return h_.drop_and_round(b, block, own);
    } else {
      h_.with_dropout(b,
                      [&](const DropoutBlock* mask) { weigh_rows(block, weights, mask, total, as<E>(own.operand)); });
      return {as<E>(own.operand), block.rows, block.columns};
    }
  }

  // What the weighed rows are multiplied by.
  PackedOf<E> weighted_values() const {
    if constexpr (kFloats) {
      return {h_.shared.weighted_values, h_.p.channels};
    } else {
      return h_.values;
    }
  }

  // Those rows of the block whose folded sum underflowed, by logarithms. The block's memory is free by now.
  void logarithmic_rows(int64_t b, ForwardOwn& own) {
    const Block block = h_.block(b, own.block);
    const int64_t first = b * kTileRows;
    float refined_logsumexp[kTileRows];
    RowStatistics statistics[kTileRows];
    h_.pack_values();
    h_.make_scores(b, block, own);
    refine_by_logarithms(block, h_.real.keys.size(), h_.saved.row_max + first, h_.saved.inverse_sum + first,
                         h_.shared.column_bias, h_.constants.messages, refined_logsumexp, h_.wanted(statistics));
    for (int64_t i = 0; i < block.rows; ++i) {
      if (h_.saved.fold_ratio[first + i] != 0.0f) continue;
      h_.saved.refined_logsumexp[first + i] = refined_logsumexp[i];
      if (h_.wanted(statistics)) h_.store_statistics(b, i, Matrix::refined, statistics[i]);
    }
    h_.store_logarithmic_rows(b, block, own);
  }

  static constexpr bool kFloats = std::is_same_v<E, float>;
  ForwardHead<T, E>& h_;
};

template <class T, class E>
void run_head(ForwardHead<T, E>& head, ForwardOwn* own) {
  head.pack_keys();
  if (head.constants.refine && !head.p.causal) return RefinedHead<T, E>(head).run(own);
  head.pack_values();
  if (head.constants.refine) return causal_forward(head, own);
  for_chunks(head.p, head.chunks.count(), own, [&](int64_t chunk, ForwardOwn& mine) {
    for (int64_t b = head.chunks.begin(chunk); b < head.chunks.end(chunk); ++b) plain_block(head, b, mine);
  });
}

template <class T>
struct ForwardCall {
  const Inputs<T>& inputs;
  const View<T>& output;
  const Saved& saved;
  int64_t queries;

  template <class F>
  void each_result(F&& f) const {
    f(output, queries);
  }
};

template <class T, class E>
class ForwardPass {
 public:
  using Shared = ForwardShared;
  using Own = ForwardOwn;

  ForwardPass(const Head& head, const ForwardCall<T>& call, Shared& shared)
      : head_{head,
              shared,
              SavedHead(call.saved, head.p, head.index),
              head.query_rows(call.inputs.query),
              head.key_rows(call.inputs.key),
              head.key_rows(call.inputs.value),
              head.query_rows(call.output),
              Chunks(head.real)} {}

  void run(Own* own) { run_head(head_, own); }

 private:
  ForwardHead<T, E> head_;
};

}  // namespace

template <class T>
void forward(const Problem& problem, const Inputs<T>& inputs, const View<T>& output, const Saved& saved,
             std::optional<HeadRange> some) {
  with_operand<T>([&]<class E>(E) {
    run_heads<ForwardPass<T, E>>(problem, ForwardCall<T>{inputs, output, saved, problem.queries}, some);
  });
}

template void forward(const Problem&, const Inputs<float>&, const View<float>&, const Saved&, std::optional<HeadRange>);
template void forward(const Problem&, const Inputs<c10::BFloat16>&, const View<c10::BFloat16>&, const Saved&,
                      std::optional<HeadRange>);

}  // namespace saobp::attention::cpu
