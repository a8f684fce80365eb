#include "saobp/analysis/gtd_probes.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "saobp/analysis/refinement.h"

namespace saobp::analysis {
namespace {

using attention::AttentionOptions;

at::Tensor working_type(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? tensor : tensor.to(at::kFloat);
}

// The tokens that are real, [B, L].
at::Tensor real_tokens(const at::Tensor& query, const at::Tensor& key, const AttentionOptions& options) {
  if (query.size(2) != key.size(2))
    fail("GTD: ", query.size(2), " queries and ", key.size(2),
         " keys; self-attention, with as many of both, was expected");
  const auto all = at::ones({query.size(0), query.size(2)}, query.options().dtype(at::kBool));
  const auto real = options.key_mask.value_or(all);
  if (options.query_mask && !at::equal(*options.query_mask, real))
    fail("GTD: the query mask differs from the key mask; self-attention, where they are the same, was expected");
  return real;
}

AttentionOptions without_dropout(AttentionOptions options) {
  options.dropout = 0;
  return options;
}

// The squared norms of what a matrix M and its G make of every probe, ‖M x‖² and ‖G x‖²: [B, H, probes] in float64.
struct SquaredNorms {
  at::Tensor direct, indirect;
};

// Σ over rows of the squares: [B, H, channels].
at::Tensor squared_norms(const at::Tensor& vectors) { return vectors.to(at::kDouble).square().sum(-2); }

class Prober {
 public:
  Prober(const at::Tensor& query, const at::Tensor& key, at::Tensor real, const MeasureOptions& measures,
         int64_t probes, uint64_t seed, std::function<bool()> stop)
      : query_(query), key_(key), measures_(measures), probes_(probes), seed_(seed), stop_(std::move(stop)) {
    real_ = real.unsqueeze(1).unsqueeze(-1);  // [B, 1, L, 1]
    tokens_ = real.sum(-1, /*keepdim=*/true).to(at::kDouble);
  }

  // Of B under these options.
  SquaredNorms norms(const AttentionOptions& options) const {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed_);
    std::vector<at::Tensor> direct, indirect;
    for (int64_t drawn = 0; drawn < probes_; drawn += query_.size(3)) {
      if (stop_ && stop_()) throw ProbingStopped();
      auto x = draw(generator);
      const int64_t used = std::min(x.size(3), probes_ - drawn);
      double factor = 1;
      at::Tensor sum;
      for (int64_t hop = 1; hop <= measures_.gtd_hops; ++hop, factor *= measures_.gtd_discount) {
        x = attention::refined_attention(query_, key_, x, options);
        if (hop == 1) direct.push_back(squared_norms(x).narrow(-1, 0, used));
        if (hop == 2) sum = x * factor;
        if (hop > 2) sum.add_(x, factor);
      }
      indirect.push_back(squared_norms(sum).narrow(-1, 0, used));
    }
    // The part along 1/√L, which M keeps and G multiplies by b.
    const double b = indirect_weight(measures_);
    return {at::cat(direct, -1) + 1, at::cat(indirect, -1) + b * b};
  }

  // The largest share of attention that a key receives from the real tokens, [B, H].
  at::Tensor top_key_share(const AttentionOptions& options) const {
    const at::AutoGradMode grad(true);
    const auto value = at::zeros_like(query_).requires_grad_();
    const auto output = attention::refined_attention(query_, key_, value, options);
    (output.select(-1, 0) * real_.squeeze(-1)).sum().backward();
    return value.grad().select(-1, 0).to(at::kDouble).amax(-1) / tokens_;
  }

  // Σ over the rows of one statistic [B, H, L] → [B, H].
  static at::Tensor sum_of_rows(const at::Tensor& rows) { return rows.to(at::kDouble).sum(-1); }
  at::Tensor mean_of_rows(const at::Tensor& rows) const { return sum_of_rows(rows) / tokens_; }

  // GTD = g / (a + g) from the means a and g over the probes of ‖M x‖² and ‖G x‖². As a ratio's estimate has an error
  // of first order, which gives the standard error, and a bias of second order, which is taken off.
  void estimate(const SquaredNorms& norms, ProbedAttention& into) const {
    const auto a = norms.direct.mean(-1, /*keepdim=*/true), g = norms.indirect.mean(-1, /*keepdim=*/true);
    const auto total = a + g;
    const auto influence = (a * norms.indirect - g * norms.direct) / total.square();  // of a probe; their mean is 0
    const auto n = static_cast<double>(probes_);
    const auto variance = influence.square().sum(-1) / (n * (n - 1));
    const auto covariance = (influence * (norms.direct + norms.indirect)).sum(-1) / (n * (n - 1));
    const auto nothing = tokens_.eq(0);
    into.gtd = (g / total).squeeze(-1).add(covariance / total.squeeze(-1)).masked_fill(nothing, NAN);
    into.gtd_standard_error = variance.sqrt().masked_fill(nothing, NAN);
  }

 private:
  // Probes of ±1 on the real tokens, less their mean: [B, H, L, D].
  at::Tensor draw(at::Generator& generator) const {
    const auto sizes = std::vector<int64_t>{query_.size(0), query_.size(1), query_.size(2), query_.size(3)};
    const auto signs = at::randint(0, 2, sizes, generator, at::kDouble) * 2 - 1;
    const auto x = signs.to(query_.options()) * real_;
    const auto tokens = tokens_.clamp_min(1).view({-1, 1, 1, 1}).to(x.scalar_type());
    return (x - x.sum(-2, /*keepdim=*/true) / tokens) * real_;
  }

  at::Tensor query_, key_, real_;
  at::Tensor tokens_;  // [B, 1]
  MeasureOptions measures_;
  int64_t probes_;
  uint64_t seed_;
  std::function<bool()> stop_;
};

}  // namespace

std::pair<ProbedAttention, ProbedAttention> probe_attention(const at::Tensor& query_in, const at::Tensor& key_in,
                                                            const AttentionOptions& options_in,
                                                            const MeasureOptions& measures, int64_t probes,
                                                            uint64_t seed, const std::function<bool()>& stop) {
  measures.check();
  if (probes < 2)
    fail_usage("GTD from ", probes, " probes; at least 2, which an error can be told from, were expected");
  const at::NoGradGuard no_grad;
  const auto options = without_dropout(options_in);
  const auto real = real_tokens(query_in, key_in, options);
  const auto query = working_type(query_in);
  auto key = working_type(key_in);
  // Grouped heads: each query head has probes of its own, which are the values.
  if (key.size(1) != query.size(1)) key = key.repeat_interleave(query.size(1) / key.size(1), 1);

  const Prober prober(query, key, real, measures, probes, seed, stop);
  const auto statistics = attention::refined_attention_with_statistics(query, key, at::zeros_like(key), options);
  ProbedAttention a, b;
  const auto exact_norm = [&](SquaredNorms norms, const at::Tensor& squared_norm) {
    norms.direct = prober.sum_of_rows(squared_norm).unsqueeze(-1).expand_as(norms.direct);
    return norms;
  };
  a.entropy = prober.mean_of_rows(statistics.entropy_a);
  prober.estimate(exact_norm(prober.norms(unrefined(options)), statistics.squared_norm_a), a);
  a.top_key_share = prober.top_key_share(unrefined(options));
  if (!is_refined(options)) return {a, a};
  auto norms = prober.norms(options);
  b.top_key_share = prober.top_key_share(options);
  if (options.elemmul) {  // whose B has no statistics: ‖B‖² too is left to the probes
    prober.estimate(norms, b);
  } else {
    b.entropy = prober.mean_of_rows(statistics.entropy_b);
    prober.estimate(exact_norm(norms, statistics.squared_norm_b), b);
  }
  return {a, b};
}

}  // namespace saobp::analysis
