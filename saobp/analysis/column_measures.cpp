// Measures of the columns of A: which keys are looked at, and what a sink passes on.
#include <ATen/ATen.h>

#include "saobp/analysis/measure.h"

namespace saobp::analysis {
namespace {

at::Tensor undefined_heads(SeenAttention& seen) { return at::full({seen.heads()}, NAN, at::kDouble); }

at::Tensor first_token_share(SeenAttention& seen) { return seen.matrices().select(-1, 0); }

at::Tensor special_token_share(SeenAttention& seen) {
  return at::matmul(seen.matrices(), seen.sequence().special_tokens().to(seen.matrices().scalar_type()));
}

at::Tensor top_key_share(SeenAttention& seen) { return seen.received().amax(-1); }

at::Tensor sink_rate(SeenAttention& seen) {
  return seen.received().amax(-1).gt(seen.options().sink_threshold).to(at::kDouble);
}

at::Tensor column_entropy(SeenAttention& seen) { return entropy_of_rows(seen.received()); }

// Σ_i (2i − L − 1) x_i / (L Σ x) with x in ascending order, i from 1; here Σ x = 1.
at::Tensor column_gini(SeenAttention& seen) {
  const auto sorted = std::get<0>(seen.received().to(at::kDouble).sort(-1));
  const auto length = static_cast<double>(seen.length());
  const auto weights = at::arange(1, seen.length() + 1, sorted.options()) * 2 - length - 1;
  return (sorted * weights).sum(-1) / (length * sorted.sum(-1));
}

// Of vectors [H, L, ·]: the length of that of the key which gets most, against the mean length.
at::Tensor length_at_top_key(SeenAttention& seen, const at::Tensor& lengths) {
  const auto top = seen.received().argmax(-1, /*keepdim=*/true);
  return lengths.gather(-1, top).squeeze(-1) / lengths.mean(-1);
}

at::Tensor sink_value_norm(SeenAttention& seen) {
  const auto& value = seen.layer().value;
  return value.defined() ? length_at_top_key(seen, value.norm(2, -1)) : undefined_heads(seen);
}

at::Tensor sink_output_norm(SeenAttention& seen) {
  const auto &value = seen.layer().value, &weight = seen.layer().output_weight;
  if (!value.defined() || !weight.defined()) return undefined_heads(seen);
  // ‖v W_O‖² = v (W_O W_Oᵀ) vᵀ: the part of W_O that a head has is [D, C].
  const auto own = weight.t().reshape({seen.heads(), value.size(2), weight.size(0)}).to(value.scalar_type());
  const auto products = at::bmm(value, at::bmm(own, own.transpose(1, 2)));
  return length_at_top_key(seen, (products * value).sum(-1).clamp_min(0).sqrt());
}

at::Tensor message_lowest(SeenAttention& seen) {
  const auto messages = seen.messages();
  return messages.defined() ? messages.sum(1).amin(-1) : undefined_heads(seen);
}

at::Tensor message_spread(SeenAttention& seen) {
  const auto messages = seen.messages();
  return messages.defined() ? messages.sum(1).std(-1, /*unbiased=*/false) : undefined_heads(seen);
}

}  // namespace

std::vector<Measure> column_measures() {
  return {
      {.name = "first_token_share",
       .heading = "first",
       .definition = "share of attention on the first token",
       .rows = first_token_share},
      {.name = "special_token_share",
       .heading = "special",
       .definition = "share of attention on special tokens",
       .rows = special_token_share},
      {.name = "top_key_share",
       .heading = "top key",
       .definition = "share of attention on the key that gets most",
       .heads = top_key_share},
      {.name = "sink_rate",
       .heading = "sink rate",
       .definition = "how often one key has more of a head's attention than the sink threshold",
       .heads = sink_rate},
      {.name = "sink_value_norm",
       .heading = "sink ‖v‖",
       .definition =
           "length of the value of the key that gets most, divided by the mean; near 0 the sink passes nothing on",
       .heads = sink_value_norm},
      {.name = "sink_output_norm",
       .heading = "sink ‖vW‖",
       .definition = "the same of what the head's part of the output projection makes of it",
       .heads = sink_output_norm},
      {.name = "column_entropy",
       .heading = "columns",
       .unit = "nats",
       .definition = "entropy of the shares of attention that the keys get",
       .heads = column_entropy},
      {.name = "column_gini",
       .heading = "Gini",
       .definition = "Gini's coefficient of these shares: 0 when all keys get the same, near 1 when one gets all",
       .heads = column_gini},
      {.name = "message_lowest",
       .heading = "c lowest",
       .unit = "nats",
       .definition = "the lowest sum of messages that a key gets, by which refinement damps it",
       .heads = message_lowest},
      {.name = "message_spread",
       .heading = "c spread",
       .unit = "nats",
       .definition = "standard deviation over the keys of these sums",
       .heads = message_spread},
  };
}

}  // namespace saobp::analysis
