// Measures of what kind a head is: the share of its attention that lies on a pattern, and how far it is from the
// others.
#include <ATen/ATen.h>

#include "saobp/analysis/measure.h"

namespace saobp::analysis {
namespace {

// Of the rows that have such keys; NaN in the others. kinds [L, L], 1 where a key is of the kind.
at::Tensor share_on(SeenAttention& seen, const at::Tensor& kinds) {
  const auto wanted = kinds.to(seen.matrices().scalar_type());
  return (seen.matrices() * wanted).sum(-1).masked_fill(wanted.sum(-1).eq(0), NAN);
}

// The diagonal k = j + offset, NaN where it lies outside.
at::Tensor share_on_diagonal(SeenAttention& seen, int64_t offset) {
  auto rows = at::full({seen.heads(), seen.length()}, NAN, seen.matrices().options());
  const int64_t count = seen.length() - std::abs(offset);
  if (count > 0) rows.narrow(1, offset < 0 ? -offset : 0, count).copy_(seen.matrices().diagonal(offset, 1, 2));
  return rows;
}

at::Tensor next_share(SeenAttention& seen) {
  auto rows = share_on_diagonal(seen, 1);
  return seen.sequence().causal() ? rows.fill_(NAN) : rows;  // no query sees it
}

// The mean over the rows of √JSD, natural logarithms.
at::Tensor distance(const at::Tensor& p, const at::Tensor& q, const at::Tensor& entropies) {
  const auto divergence = entropy_of_rows((p + q) * 0.5) - entropies * 0.5;
  return divergence.to(at::kDouble).clamp_min(0).sqrt().mean(-1);
}

at::Tensor head_distance(SeenAttention& seen) {
  const int64_t heads = seen.heads();
  auto sums = at::zeros({heads}, at::kDouble);
  for (int64_t first = 0; first < heads; ++first)
    for (int64_t second = first + 1; second < heads; ++second) {
      const auto& m = seen.matrices();
      const auto& entropy = seen.row_entropy();
      const auto between = distance(m[first], m[second], entropy[first] + entropy[second]);
      sums[first] += between;
      sums[second] += between;
    }
  return sums / static_cast<double>(heads - 1);  // of a single head 0/0
}

}  // namespace

std::vector<Measure> pattern_measures() {
  return {
      {.name = "previous_share",
       .heading = "previous",
       .definition = "share of attention on the token before",
       .rows = [](SeenAttention& seen) { return share_on_diagonal(seen, -1); }},
      {.name = "next_share",
       .heading = "next",
       .definition = "share of attention on the next token",
       .rows = next_share},
      {.name = "self_share",
       .heading = "self",
       .definition = "share of attention on the query's own token",
       .rows = [](SeenAttention& seen) { return share_on_diagonal(seen, 0); }},
      {.name = "same_token_share",
       .heading = "same",
       .definition = "share of attention on other places with the query's token, where there are any",
       .rows = [](SeenAttention& seen) { return share_on(seen, seen.sequence().same_token()); }},
      {.name = "induction_share",
       .heading = "induction",
       .definition =
           "share of attention on the token after another occurrence of the query's token, where there is one",
       .rows = [](SeenAttention& seen) { return share_on(seen, seen.sequence().after_same_token()); }},
      {.name = "head_distance",
       .heading = "to others",
       .definition = "Jensen–Shannon distance to the other heads of the layer, the mean over rows and heads",
       .heads = head_distance},
  };
}

}  // namespace saobp::analysis
