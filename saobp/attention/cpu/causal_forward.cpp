// The causal form with a strength (docs/method.md, "Causal form"), in one sweep over blocks of 64 rows, against the
// columns that they see:
//   S = Q Kᵀ;  e = 2^(S − max), row sums;  row by row p = e · 2^c and u = 1 − tA into c;  O = p V / Σ p
// c is carried along in double, by blocks. Where the chunks of a head go to several threads, a sweep before makes their
// column sums.
#include <algorithm>

#include "saobp/attention/cpu/forward_head.h"

namespace saobp::attention::cpu {
namespace {

template <class T, class E>
class CausalHead {
 public:
  explicit CausalHead(const ForwardHead<T, E>& head) : h_(head), keys_(head.real.keys.size()) {}

  void run(ForwardOwn* own) {
    const int64_t chunks = h_.chunks.count();
    if (!own) {
      for_chunks(h_.p, chunks - 1, own, [&](int64_t chunk, ForwardOwn& mine) {
        run_chunk(chunk, mine, /*outputs=*/false);
        double* sums = h_.shared.chunk_sums + chunk * h_.shared.columns;
        std::copy(mine.chunk_sum, mine.chunk_sum + keys_, sums);
      });
      for (int64_t c = 0; c + 1 < chunks; ++c) save_prefix(c, h_.shared.chunk_sums + c * h_.shared.columns);
    }
    const bool alone = own != nullptr;
    for_chunks(h_.p, chunks, own, [&](int64_t chunk, ForwardOwn& mine) {
      run_chunk(chunk, mine, /*outputs=*/true);
      if (alone || chunk == chunks - 1) save_prefix(chunk, mine.chunk_sum);
    });
  }

 private:
  double* prefix_after(int64_t chunk) const { return h_.saved.prefix_sums + chunk * h_.p.keys; }

  // c after the chunk = c before it + its column sums.
  void save_prefix(int64_t chunk, const double* sums) const {
    double* after = prefix_after(chunk);
    for (int64_t k = 0; k < keys_; ++k) after[k] = (chunk == 0 ? 0.0 : prefix_after(chunk - 1)[k]) + sums[k];
  }

  // Column sums into own.chunk_sum, and the outputs, which need c before the chunk.
  void run_chunk(int64_t chunk, ForwardOwn& own, bool outputs) const {
    const double* before = outputs && chunk > 0 ? prefix_after(chunk - 1) : nullptr;
    std::fill(own.chunk_sum, own.chunk_sum + h_.real.key_columns, 0.0);
    for (int64_t b = h_.chunks.begin(chunk); b < h_.chunks.end(chunk); ++b) {
      const Block block = h_.block(b, own.block);
      for (int64_t k = 0; k < block.columns; ++k) {
        own.state.start[k] = own.chunk_sum[k] + (before && k < keys_ ? before[k] : 0.0);
      }
      run_block(b, block, own, outputs);
      for (int64_t k = 0; k < std::min(block.columns, keys_); ++k) own.chunk_sum[k] += own.state.gained[k];
    }
  }

  void run_block(int64_t b, const Block& block, ForwardOwn& own, bool outputs) const {
    const int64_t first = b * kTileRows;
    float total[kTileRows], factors[kTileRows], shares[kTileRows];
    CausalStatistics statistics;
    const bool wanted = outputs && h_.saved.statistics;
    h_.make_scores(b, block, own);
    causal_rows(block, h_.real.block_visible(b), h_.constants.messages, own.state, h_.saved.row_max + first,
                h_.saved.inverse_sum + first, total, wanted ? &statistics : nullptr);
    if (!outputs) return;
    h_.store_statistics(b, block.rows, Matrix::attention, h_.wanted(statistics.attention));
    h_.store_statistics(b, block.rows, Matrix::refined, h_.wanted(statistics.refined));
    bool logarithms = false;
    h_.fill_shares(b, shares);
    for (int64_t i = 0; i < block.rows; ++i) {
      const bool folds = !(total[i] < kSmallestCausalTotal) && shares[i] == 1.0f;
      logarithms |= !folds;
      h_.saved.fold_ratio[first + i] = folds ? 1.0f / (h_.saved.inverse_sum[first + i] * total[i]) : 0.0f;
      h_.saved.refined_logsumexp[first + i] = 0.0f;
      factors[i] = folds ? h_.constants.kept_scale / total[i] : 0.0f;
    }
    h_.store_output(b, h_.drop_and_round(b, block, own), h_.values, factors, own);
    if (logarithms) logarithmic_rows(b, shares, own);
  }

  // Those rows of the block whose sum underflowed or whose share is not 1; ends with the same state of the columns. The
  // block's memory is free by now.
  void logarithmic_rows(int64_t b, const float* shares, ForwardOwn& own) const {
    const Block block = h_.block(b, own.block);
    const int64_t first = b * kTileRows;
    RowStatistics statistics[kTileRows];
    h_.make_scores(b, block, own);
    std::copy(own.state.gained, own.state.gained + block.columns, own.block_sum);
    causal_logarithmic_rows(block, h_.real.block_visible(b), h_.constants.messages, own.state, h_.saved.row_max + first,
                            h_.saved.inverse_sum + first, h_.saved.fold_ratio + first, shares,
                            h_.saved.refined_logsumexp + first, h_.wanted(statistics));
    std::copy(own.block_sum, own.block_sum + block.columns, own.state.gained);
    for (int64_t i = 0; h_.wanted(statistics) && i < block.rows; ++i) {
      if (h_.saved.fold_ratio[first + i] == 0.0f) h_.store_statistics(b, i, Matrix::refined, statistics[i]);
    }
    h_.store_logarithmic_rows(b, block, own);
  }

  const ForwardHead<T, E>& h_;
  int64_t keys_;
};

}  // namespace

template <class T, class E>
void causal_forward(const ForwardHead<T, E>& head, ForwardOwn* own) {
  CausalHead<T, E>(head).run(own);
}

template void causal_forward(const ForwardHead<float, float>&, ForwardOwn*);
template void causal_forward(const ForwardHead<BFloat16, float>&, ForwardOwn*);
template void causal_forward(const ForwardHead<BFloat16, BFloat16>&, ForwardOwn*);

}  // namespace saobp::attention::cpu
