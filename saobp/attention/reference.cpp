#include "saobp/attention/reference.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <vector>

#include "saobp/attention/checks.h"
#include "saobp/attention/dropout.h"

namespace saobp::attention {
namespace {

// Which pairs (query, key) exist. Undefined tensors stand for "all of them".
struct Pairs {
  at::Tensor padded_query;  // [B, 1, L_q, 1], true where a query is padding
  at::Tensor padded_key;    // [B, 1, L_k, 1], true where a key is padding
  at::Tensor blocked;       // [B or 1, 1, L_q, L_k], true where the query may not look at the key
  at::Tensor dead;          // [B or 1, 1, L_q, 1], true where a query may look at no key at all
};

Pairs make_pairs(const at::Tensor& query, const at::Tensor& key, const AttentionOptions& options) {
  Pairs pairs;
  const auto block = [&pairs](const at::Tensor& more) {
    pairs.blocked = pairs.blocked.defined() ? pairs.blocked.logical_or(more) : more;
  };
  if (options.key_mask.has_value()) {
    pairs.padded_key = options.key_mask->logical_not().unsqueeze(1).unsqueeze(-1);
    block(pairs.padded_key.transpose(-1, -2).expand({-1, -1, query.size(2), -1}));
  }
  if (const auto query_mask = effective_query_mask(query, key, options)) {
    pairs.padded_query = query_mask->logical_not().unsqueeze(1).unsqueeze(-1);
    block(pairs.padded_query.expand({-1, -1, -1, key.size(2)}));
  }
  if (options.causal || options.leaky_causal) {
    const auto bools = query.options().dtype(at::kBool);
    block(at::ones({query.size(2), key.size(2)}, bools).triu(1).unsqueeze(0).unsqueeze(0));
  }
  if (pairs.blocked.defined()) pairs.dead = pairs.blocked.all(-1, /*keepdim=*/true);
  return pairs;
}

at::Tensor zero_where(const at::Tensor& tensor, const at::Tensor& mask) {
  return mask.defined() ? tensor.masked_fill(mask, 0) : tensor;
}

// Softmax over the keys that are not blocked; a dead row is 0 (not NaN), and so is its gradient.
at::Tensor masked_softmax(const at::Tensor& logits, const Pairs& pairs) {
  if (!pairs.blocked.defined()) return logits.softmax(-1);
  const auto blocked = logits.masked_fill(pairs.blocked, -std::numeric_limits<double>::infinity());
  return blocked.masked_fill(pairs.dead, 0).softmax(-1).masked_fill(pairs.blocked, 0);
}

// S = Q Kᵀ / √D. Padded rows enter as 0, so that whatever they hold reaches neither values nor gradients.
at::Tensor make_scores(const at::Tensor& query, const at::Tensor& key, const Pairs& pairs) {
  const double scale = 1 / std::sqrt(static_cast<double>(query.size(-1)));
  return at::matmul(zero_where(query, pairs.padded_query) * scale, zero_where(key, pairs.padded_key).transpose(-1, -2));
}

// How many queries send to each row, [B or 1, 1, 1, 1], or of the causal form [B or 1, 1, L_q, 1].
at::Tensor count_senders(const at::Tensor& attention, const Pairs& pairs, const AttentionOptions& options) {
  const auto sends = pairs.dead.defined()
                         ? pairs.dead.logical_not().to(at::kLong)
                         : at::ones({1, 1, attention.size(-2), 1}, attention.options().dtype(at::kLong));
  if (!options.causal) return sends.sum(-2, /*keepdim=*/true);
  const auto up_to = sends.cumsum(-2);
  return options.exclude_self ? up_to - sends : up_to;
}

// c_jk − m_jk of docs/method.md, "Refinement is a bias on the scores" and "Causal form": [B, H, 1 or L_q, L_k].
at::Tensor refinement_bias(const at::Tensor& attention, const Pairs& pairs, const AttentionOptions& options) {
  at::Tensor share;  // of rows that are longer than strength_length
  if (options.strength_length > 0) {
    share = strength_shares(count_senders(attention, pairs, options), options, attention);
  }
  const auto messages = make_messages(attention, options, options.causal ? at::Tensor() : share);
  if (!options.causal) {  // leaky_causal too: its messages come from all rows
    const auto column_sum = messages.sum(-2, /*keepdim=*/true);
    return options.exclude_self ? column_sum - messages : column_sum;
  }
  auto prefix = messages.cumsum(-2);  // Σ_{i≤j} m_ik
  if (options.exclude_self) {         // Σ_{i<j} m_ik
    const auto none = at::zeros_like(prefix.narrow(-2, 0, std::min<int64_t>(1, prefix.size(-2))));
    prefix = at::cat({none, prefix}, -2).narrow(-2, 0, prefix.size(-2));
  }
  return share.defined() ? prefix * share : prefix;
}

// Half-precision types are computed in float.
at::Tensor working_type(const at::Tensor& tensor) {
  const bool reduced = tensor.scalar_type() == at::kBFloat16 || tensor.scalar_type() == at::kHalf;
  return reduced ? tensor.to(at::kFloat) : tensor;
}

// O = (A ⊙ R)(Aᵀ V) / (A s) with s = column sums of A; no L×L×L product.
at::Tensor elemmul_output(const at::Tensor& attention, const at::Tensor& left, const at::Tensor& value,
                          const Pairs& pairs, bool causal) {
  at::Tensor numerator, normaliser;
  if (causal) {
    // Query j meets the rows i ≤ j, its own included.
    const auto product = at::matmul(left, attention.transpose(-1, -2)).tril();
    numerator = at::matmul(product, value);
    normaliser = (attention * attention.cumsum(-2)).sum(-1, /*keepdim=*/true);
  } else {
    numerator = at::matmul(left, at::matmul(attention.transpose(-1, -2), value));
    normaliser = (attention * attention.sum(-2, /*keepdim=*/true)).sum(-1, /*keepdim=*/true);
  }
  if (pairs.dead.defined()) normaliser = normaliser.masked_fill(pairs.dead, 1);
  return numerator / normaliser;
}

// Grouped heads: each key or value head once for every query head that attends to it.
at::Tensor repeat_heads(const at::Tensor& tensor, int64_t heads) {
  return tensor.size(1) == heads ? tensor : tensor.repeat_interleave(heads / tensor.size(1), 1);
}

struct Weights {
  Pairs pairs;
  at::Tensor attention;  // A, [B, H, L_q, L_k]
  at::Tensor refined;    // B after all steps; of elemmul A itself, whose product with Aᵀ is made by the caller
};

Weights make_weights(const at::Tensor& query, const at::Tensor& key, const AttentionOptions& options) {
  Weights result{make_pairs(query, key, options), {}, {}};
  const auto scores = make_scores(query, repeat_heads(key, query.size(1)), result.pairs);
  result.attention = result.refined = masked_softmax(scores, result.pairs);
  if (options.elemmul || (!options.strengths && options.strength == 0)) return result;
  for (int64_t step = 0; step < options.steps; ++step) {
    result.refined = masked_softmax(scores + refinement_bias(result.refined, result.pairs, options), result.pairs);
  }
  return result;
}

// O = (B ⊙ R) V, with padded rows of V as 0.
at::Tensor make_output(const Weights& weights, const at::Tensor& query, const at::Tensor& value_in,
                       const AttentionOptions& options, const at::Tensor& factors = {}) {
  const auto value = repeat_heads(zero_where(value_in, weights.pairs.padded_key), query.size(1));
  auto left = weights.refined;
  if (factors.defined()) {
    left = left * factors;
  } else if (options.dropout > 0) {
    left = left * dropout_factors(query.size(0), query.size(1), query.size(2), value.size(2), options.dropout,
                                  options.seed, query.options());
  }
  if (!options.elemmul) return at::matmul(left, value);
  return elemmul_output(weights.attention, left, value, weights.pairs, options.causal);
}

// x >> n as on unsigned 64-bit numbers.
at::Tensor shift_right(const at::Tensor& x, int n) { return x.__rshift__(n).bitwise_and((int64_t{1} << (64 - n)) - 1); }

}  // namespace

at::Tensor make_messages(const at::Tensor& attention, const AttentionOptions& options, const at::Tensor& share) {
  // 1 − tA as (1 − A) + e^{−λ}A keeps its digits when A is close to 1; so does 1 − st as (1 − s) + s e^{−λ}.
  const auto messages = [&](const auto& decay) {
    if (share.defined()) return ((1 - attention) + ((1 - share) + share * decay) * attention).log();
    return ((1 - attention) + decay * attention).log();
  };
  if (!options.strengths) return messages(std::exp(-options.strength));
  return messages((-options.strengths->to(attention.scalar_type())).exp().view({-1, 1, 1}));
}

at::Tensor strength_shares(const at::Tensor& senders, const AttentionOptions& options, const at::Tensor& like) {
  return (static_cast<double>(options.strength_length) / senders.to(like.scalar_type())).clamp_max(1);
}

at::Tensor dropout_factors(int64_t batch, int64_t heads, int64_t queries, int64_t keys, double probability,
                           int64_t seed, at::TensorOptions tensor_options) {
  // dropout.h in whole tensors: the same arithmetic modulo 2^64 and 2^32.
  const auto integers = tensor_options.dtype(at::kLong);
  const auto signed64 = [](uint64_t x) { return static_cast<int64_t>(x); };
  const auto mix = [&](at::Tensor x) {
    x = x.bitwise_xor(shift_right(x, 30)) * signed64(kDropoutMix1);
    x = x.bitwise_xor(shift_right(x, 27)) * signed64(kDropoutMix2);
    return x.bitwise_xor(shift_right(x, 31));
  };
  const auto low32 = [](const at::Tensor& x) { return x.bitwise_and(int64_t{0xFFFFFFFF}); };
  const auto head = (at::arange(batch * heads, integers) + 1) * signed64(kDropoutStep) + seed;
  const auto row = (at::arange(queries, integers) + 1) * signed64(kDropoutStep);
  const auto row_key = mix(mix(head).unsqueeze(-1) + row).unsqueeze(-1);  // [B·H, L_q, 1]
  auto x = low32(at::arange(keys, integers) + row_key);
  x = low32(x.bitwise_xor(x.__rshift__(16)) * int64_t{kDropoutHash1}).bitwise_xor(shift_right(row_key, 32));
  x = low32(x.bitwise_xor(x.__rshift__(15)) * int64_t{kDropoutHash2});
  x = x.bitwise_xor(x.__rshift__(16)).__rshift__(1);
  const auto kept = x.ge(static_cast<int64_t>(dropout_threshold(probability)));
  return (kept.to(tensor_options.dtype()) / (1 - probability)).view({batch, heads, queries, keys});
}

at::Tensor reference_attention(const at::Tensor& query_in, const at::Tensor& key_in, const at::Tensor& value_in,
                               const AttentionOptions& options, const at::Tensor& factors) {
  const auto query = working_type(query_in), key = working_type(key_in);
  return make_output(make_weights(query, key, options), query, working_type(value_in), options, factors)
      .to(query_in.scalar_type());
}

std::tuple<at::Tensor, at::Tensor> reference_with_statistics(const at::Tensor& query_in, const at::Tensor& key_in,
                                                             const at::Tensor& value_in,
                                                             const AttentionOptions& options) {
  const auto query = working_type(query_in), key = working_type(key_in);
  const auto weights = make_weights(query, key, options);
  const auto output = make_output(weights, query, working_type(value_in), options);
  std::vector<at::Tensor> statistics;
  for (const auto& matrix : {weights.attention.detach(), weights.refined.detach()}) {
    statistics.push_back(at::special_entr(matrix).sum(-1));
    statistics.push_back(matrix.square().sum(-1));
  }
  if (options.elemmul) statistics.resize(2);
  return {output.to(query_in.scalar_type()), at::stack(statistics)};
}

std::pair<at::Tensor, at::Tensor> reference_matrices(const at::Tensor& query, const at::Tensor& key,
                                                     const AttentionOptions& options) {
  const auto [pairs, attention, refined] = make_weights(working_type(query), working_type(key), options);
  if (!options.elemmul) return {attention, refined};
  auto product = at::matmul(attention, attention.transpose(-1, -2));
  if (options.causal) product = product.tril();
  auto normaliser = product.sum(-1, /*keepdim=*/true);
  if (pairs.dead.defined()) normaliser = normaliser.masked_fill(pairs.dead, 1);
  return {attention, product / normaliser};
}

}  // namespace saobp::attention
