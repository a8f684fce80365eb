#include "yardstick.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "plain_path.h"
#include "saobp/attention/checks.h"
#include "saobp/attention/reference.h"
#include "tests/yardstick.h"

namespace saobp::attention::testing {
namespace {

using tests::generator_of;

struct Named {
  const char* name;
  at::Tensor Results::* tensor;
  double times;
};
constexpr Named kParts[] = {{"output", &Results::output, 2},
                            {"query gradient", &Results::query, 3},
                            {"key gradient", &Results::key, 3},
                            {"value gradient", &Results::value, 3},
                            {"strengths gradient", &Results::strengths, 3}};

at::Tensor reference(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const AttentionOptions& options) {
  return reference_attention(query, key, value, options);
}

// The positions [0, length) in a new order, or in their own if `causal`, and up to 20 of `length` between them.
at::Tensor strewn(int64_t length, bool causal, uint64_t seed) {
  if (seed == 0) return at::arange(length);
  const int64_t all = length + 1 + static_cast<int64_t>(seed * 7 % 20);
  auto places = at::randperm(all, generator_of(seed), at::kLong).narrow(0, 0, length);
  if (causal) places = std::get<0>(places.sort());
  return at::full({all}, length, at::kLong).index_copy(0, places, at::arange(length));
}

// `tensor` along `dim` as `order` has it; positions strewn in are `filling`.
at::Tensor reordered(const at::Tensor& tensor, int64_t dim, const at::Tensor& order, double filling) {
  auto one = tensor.sizes().vec();
  one[dim] = 1;
  return at::cat({tensor, at::full(one, filling, tensor.options())}, dim).index_select(dim, order);
}

// [B, L'] of a mask [B, L], or of none.
at::Tensor reordered_mask(const std::optional<at::Tensor>& mask, int64_t batch, int64_t length,
                          const at::Tensor& order) {
  return reordered(mask.value_or(at::ones({batch, length}, at::kBool)), 1, order, 0);
}

// The exact results of inputs that are off by up to `rounding`.
Results of_nudged(const Inputs& in, AttentionOptions options, const at::Tensor& upstream, double rounding,
                  uint64_t seed) {
  auto generator = generator_of(seed);
  const auto off = [&](const at::Tensor& t) { return tests::nudged(t, rounding, generator); };
  if (options.strengths) options.strengths = off(*options.strengths);
  return run_with(reference, {off(in.query), off(in.key), off(in.value)}, options, off(upstream), at::kDouble);
}

// The same of ∂L/∂λ. squares [B, H, L_q, L_k]: of the terms of dS · √D.
at::Tensor strength_terms(const at::Tensor& a, const at::Tensor& strengths, const at::Tensor& squares) {
  const auto decay = (-strengths.detach().to(at::kDouble)).exp().view({-1, 1, 1});
  const auto slopes = (decay * a / (1 - a + decay * a)).sum(-2);
  const auto of_heads = (squares.sum(-2) * slopes.square()).sum(-1).sum(0);
  return (strengths.size(0) == 1 ? of_heads.sum(0, /*keepdim=*/true) : of_heads).sqrt();
}

// √Σ terms² of the last product that makes each result, with dA = dO Vᵀ and Δ = O·dO, which cancel, as the terms of dS;
// of ∂L/∂λ the columns' sums of dS times those of the messages' slopes.
Results term_magnitudes(const Inputs& in, const AttentionOptions& options, const at::Tensor& upstream,
                        const at::Tensor& output) {
  const int64_t heads = in.query.size(1), group = heads / std::max<int64_t>(1, in.key.size(1));
  const auto squares = [](const at::Tensor& t) { return t.to(at::kDouble).square(); };
  const auto per_head = [&](const at::Tensor& t) { return squares(t).repeat_interleave(group, 1); };
  const auto of_group = [&](const at::Tensor& t) { return t.unflatten(1, {-1, group}).sum(2).sqrt(); };
  const auto query = squares(in.query), key = per_head(in.key), value = per_head(in.value), up = squares(upstream);
  auto factors = at::ones({}, at::kDouble);
  if (options.dropout > 0)
    factors = squares(dropout_factors(query.size(0), heads, query.size(2), key.size(2), options.dropout, options.seed,
                                      query.options()));
  const auto [a, b] = reference_matrices(in.query.to(at::kDouble), in.key.to(at::kDouble), options);
  const auto weights = b.square() * factors;
  const auto delta = (up * output.square()).sum(-1, /*keepdim=*/true);
  const auto d_weights = (a.square() + b.square()) * (at::matmul(up, value.transpose(-1, -2)) * factors + delta);
  const auto scores = d_weights / static_cast<double>(std::max<int64_t>(1, query.size(3)));
  return {at::matmul(weights, value).sqrt(), at::matmul(scores, key).sqrt(),
          of_group(at::matmul(scores.transpose(-1, -2), query)), of_group(at::matmul(weights.transpose(-1, -2), up)),
          options.strengths ? strength_terms(a, *options.strengths, d_weights) : at::Tensor()};
}

double largest_score(const Inputs& in) {
  const int64_t group = in.query.size(1) / std::max<int64_t>(1, in.key.size(1));
  const auto keys = in.key.to(at::kFloat).repeat_interleave(group, 1).transpose(-1, -2);
  const auto scores = at::matmul(in.query.to(at::kFloat), keys);
  if (scores.numel() == 0) return 0;
  return scores.abs().max().item<double>() / std::sqrt(static_cast<double>(in.query.size(3)));
}

double largest(const at::Tensor& t) { return t.defined() && t.numel() > 0 ? t.abs().max().item<double>() : 0; }

}  // namespace

Results run_with(const Attention& attention, const Inputs& in, AttentionOptions options, const at::Tensor& upstream,
                 at::ScalarType type) {
  const auto leaf = [&](const at::Tensor& t) { return t.detach().to(type).set_requires_grad(true); };
  std::vector<at::Tensor> inputs = {leaf(in.query), leaf(in.key), leaf(in.value)};
  if (options.strengths) {
    const bool exact = type == at::kDouble;
    options.strengths =
        options.strengths->detach().to(exact ? at::kDouble : at::kFloat).clone().set_requires_grad(true);
    inputs.push_back(*options.strengths);
  }
  const auto output = attention(inputs[0], inputs[1], inputs[2], options);
  const auto g = torch::autograd::grad({output}, inputs, {upstream.to(type)});
  return {output.detach(), g[0], g[1], g[2], g.size() > 3 ? g[3] : at::Tensor()};
}

Reordered::Reordered(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const AttentionOptions& options_in, uint64_t seed)
    : options(options_in) {
  const int64_t batch = query.size(0), heads = query.size(1), queries = query.size(2), keys = key.size(2);
  const auto rows = strewn(queries, options.causal, seed),
             columns = queries == keys ? rows : strewn(keys, options.causal, seed == 0 ? 0 : seed + 100);
  const auto channels =
      seed == 0 ? at::arange(query.size(3)) : at::randperm(query.size(3), generator_of(seed), at::kLong);
  row_places = std::get<1>(rows.sort()).narrow(0, 0, queries);
  if (seed > 0 || options.key_mask || options.query_mask) {
    options.key_mask = reordered_mask(options_in.key_mask, batch, keys, columns);
    options.query_mask = reordered_mask(effective_query_mask(query, key, options_in), batch, queries, rows);
  }
  if (options.dropout > 0) {
    const auto type = query.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    factors = dropout_factors(batch, heads, queries, keys, options.dropout, options.seed, query.options().dtype(type));
    factors = reordered(reordered(factors, 2, rows, 1), 3, columns, 1);
  }
  in = {reordered(query, 2, rows, 0).index_select(3, channels), reordered(key, 2, columns, 0).index_select(3, channels),
        reordered(value, 2, columns, 0)};
}

at::Tensor plain_in_order(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const AttentionOptions& options, uint64_t seed) {
  const Reordered r(query, key, value, options, seed);
  return r.rows_back(plain_attention(r.in.query, r.in.key, r.in.value, r.options, r.factors), 2);
}

Yardstick::Yardstick(const Inputs& in, const AttentionOptions& options, const at::Tensor& upstream)
    : exact_(run_with(reference, in, options, upstream, at::kDouble)) {
  std::vector<Results> orders, moved;
  for (uint64_t seed = 0; seed < kOrders; ++seed) {
    const auto in_order = [&](const auto& q, const auto& k, const auto& v, const auto& own) {
      return plain_in_order(q, k, v, own, seed);
    };
    orders.push_back(run_with(in_order, in, options, upstream, in.query.scalar_type()));
  }
  moved.push_back(of_nudged(in, options, upstream, tests::kFloatRounding, 1));
  // Few numbers, of which all orders may be close by chance; and the backward pass starts from an output that is
  // rounded.
  if (options.strengths && in.query.scalar_type() == at::kBFloat16)
    moved.push_back(of_nudged(in, options, upstream, tests::kBFloat16Rounding, 2));
  const auto terms = term_magnitudes(in, options, upstream, exact_.output);
  // A sum of n terms, one after the other; a few roundings where sums are short. What a score is rounded by, in
  // proportion to its size, the exponential turns into a part of the weight. In elemmul the weights are sums of n terms
  // themselves.
  const auto longest = static_cast<double>(std::max(in.query.size(2), in.key.size(2)));
  const double sums = (options.elemmul ? 2 : 1) * std::sqrt(longest);
  const double rounding = tests::kFloatRounding * std::max({4.0, sums, largest_score(in)});
  for (const auto& [name, tensor, times] : kParts) {
    if (!(exact_.*tensor).defined() || (exact_.*tensor).numel() == 0) continue;
    Part part{name, 0, 0, rounding * largest(terms.*tensor), options.elemmul ? 3 : times};
    for (const auto& run : orders) part.plain = std::max(part.plain, largest_difference(run.*tensor, exact_.*tensor));
    for (size_t i = 0; i < moved.size(); ++i)
      if (i == 0 || tensor == &Results::strengths)
        part.floor = std::max(part.floor, largest_difference(moved[i].*tensor, exact_.*tensor));
    allowed_.push_back(part);
  }
}

std::vector<Yardstick::Part> Yardstick::compare(const Results& actual) const {
  std::vector<Part> parts;
  for (auto part : allowed_)
    for (const auto& [name, tensor, times] : kParts) {
      if (part.name != name || !(actual.*tensor).defined()) continue;
      part.error = largest_difference(actual.*tensor, exact_.*tensor);
      parts.push_back(part);
    }
  return parts;
}

void Yardstick::expect_close(const Results& actual) const {
  for (const auto& part : compare(actual)) {
    EXPECT_LE(part.error, part.allowed()) << part.name << ": the plain path is off by up to " << part.plain
                                          << ", the floor is " << part.floor;  // NaN fails too
  }
}

}  // namespace saobp::attention::testing
