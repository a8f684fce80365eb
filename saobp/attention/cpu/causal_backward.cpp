// Backward pass of the causal form with a strength (docs/method.md, "Gradients"), in one sweep over blocks of 64 rows
// from the last to the first: c before a block is what it was after it less the block's column sums; the sums of dZ
// over the later rows go the other way. Both are carried in double. For each block
//   S = Q Kᵀ, g Vᵀ;  A, u and the columns' products, row by row;  B and dZ;  back from the last row to the first
//   dm = Σ of later dZ, dS = dZ + A ⊙ (dA − E);  dVᵀ += gᵀ (B ⊙ R), dQ = dS K, dKᵀ += Qᵀ dS
// Where the chunks of a head go to several threads, a sweep before makes the columns of their dZ.
#include <algorithm>

#include "saobp/attention/cpu/backward_head.h"

namespace saobp::attention::cpu {
namespace {

template <class T, class KeyT, class E>
class CausalHead {
 public:
  explicit CausalHead(const BackwardHead<T, KeyT, E>& head) : h_(head), keys_(head.real.keys.size()) {}

  void run(BackwardOwn* own) const {
    const int64_t chunks = h_.chunks.count(), padded = h_.real.key_columns;
    std::fill(later(chunks - 1), later(chunks - 1) + padded, 0.0);
    if (!own) {
      // The columns of chunk c's dZ are laid down where those of all chunks from c on will stand for chunk c − 1.
      for_chunks(h_.p, chunks - 1, own, [&](int64_t before, BackwardOwn& mine) {
        run_chunk(before + 1, mine, /*sums_only=*/true);
        std::copy(mine.chunk_sum, mine.chunk_sum + padded, later(before));
      });
      for (int64_t c = chunks - 2; c >= 0; --c) add_later(c, later(c));
    }
    const bool alone = own != nullptr;
    for_chunks(h_.p, chunks, own, [&](int64_t n, BackwardOwn& mine) {
      const int64_t chunk = chunks - 1 - n;
      run_chunk(chunk, mine, /*sums_only=*/false);
      if (alone && chunk > 0) add_later(chunk - 1, mine.chunk_sum);
    });
  }

 private:
  // Columns of dZ, summed over all chunks after this one.
  double* later(int64_t chunk) const { return h_.shared.chunk_sums + chunk * h_.shared.columns; }

  // `sums` are those of the chunk after this one.
  void add_later(int64_t chunk, const double* sums) const {
    const double* after = later(chunk + 1);
    for (int64_t k = 0; k < h_.real.key_columns; ++k) later(chunk)[k] = after[k] + sums[k];
  }

  void run_chunk(int64_t chunk, BackwardOwn& own, bool sums_only) const {
    const double* messages = h_.prefix_sums + chunk * h_.p.keys;
    std::copy(messages, messages + keys_, own.messages);
    std::fill(own.messages + keys_, own.messages + h_.real.key_columns, 0.0);
    std::fill(own.chunk_sum, own.chunk_sum + h_.real.key_columns, 0.0);
    float *key_part = nullptr, *value_part = nullptr;
    if (!sums_only) {
      key_part = h_.shared.key_sum.begin_chunk(chunk, own.key_part);
      value_part = h_.shared.value_sum.begin_chunk(chunk, own.value_part);
    }
    double strength = 0;
    for (int64_t b = h_.chunks.end(chunk) - 1; b >= h_.chunks.begin(chunk); --b) {
      const BackwardBlock block = h_.blocks(b, own.scores, own.gradients, own.weights);
      const auto upstream = h_.make_products(b, block, own);
      const double* after = sums_only ? nullptr : later(chunk);
      strength += run_block(b, block, after, own);
      if (sums_only) continue;
      h_.accumulate(upstream, block.weights, value_part, own);
      h_.finish_block(b, block.gradient, key_part, own);
    }
    if (sums_only) return;
    h_.shared.chunk_strength[chunk] = strength;
    h_.shared.key_sum.end_chunk(key_part);
    h_.shared.value_sum.end_chunk(value_part);
  }

  // S → A, g Vᵀ → dS, weights → B ⊙ R; dZ into the chunk's sums. `after`: dZ of the chunks after this one.
  double run_block(int64_t b, const BackwardBlock& block, const double* after, BackwardOwn& own) const {
    const SavedRows saved = h_.saved_rows(b);
    const int64_t columns = block.scores.columns;
    causal_attention(block, saved, h_.constants.messages, own.state);
    for (int64_t k = 0; k < columns; ++k) {
      own.messages[k] -= own.state.gained[k];
      own.state.start[k] = own.messages[k];
      own.after_block[k] = static_cast<float>(own.chunk_sum[k] + (after ? after[k] : 0.0));
      own.in_block[k] = 0.0f;
    }
    float shares[kTileRows];
    h_.fill_shares(b, shares);
    double strength = 0;
    h_.with_dropout(b, [&](const DropoutBlock* dropout) {
      strength = causal_gradient(block, saved, h_.constants.messages, h_.constants.t, dropout, h_.constants.kept_scale,
                                 own.state, {own.after_block, own.in_block, shares});
    });
    for (int64_t k = 0; k < columns; ++k) own.chunk_sum[k] += own.in_block[k];
    return strength;
  }

  const BackwardHead<T, KeyT, E>& h_;
  int64_t keys_;
};

}  // namespace

template <class T, class KeyT, class E>
void causal_backward(const BackwardHead<T, KeyT, E>& head, BackwardOwn* own) {
  CausalHead<T, KeyT, E>(head).run(own);
}

template void causal_backward(const BackwardHead<float, float, float>&, BackwardOwn*);
template void causal_backward(const BackwardHead<BFloat16, float, float>&, BackwardOwn*);
template void causal_backward(const BackwardHead<BFloat16, float, BFloat16>&, BackwardOwn*);
template void causal_backward(const BackwardHead<BFloat16, BFloat16, float>&, BackwardOwn*);
template void causal_backward(const BackwardHead<BFloat16, BFloat16, BFloat16>&, BackwardOwn*);

}  // namespace saobp::attention::cpu
