// The yardstick itself: what is honest passes in every order of its sums, those among them that the yardstick has not
// seen, as on some other machine; a product in reduced precision and a small multiple of the plain path's error fail.
#include "yardstick.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "case_table.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/reference.h"

namespace saobp::attention::testing {
namespace {

// Encoder and causal, with and without padding and dropout, sharp and wide rows; one of few numbers.
std::vector<Case> cases() {
  return {{2, 2, 2, 128, 128, 64, {0.2}, false, true, Padding::tail, 0.1},
          {1, 2, 2, 200, 200, 16, {2.0, -0.5}},
          {1, 1, 1, 150, 150, 24, {-5.0}, false, false},
          {2, 2, 2, 40, 90, 16, {0.3}},
          {2, 2, 2, 129, 129, 32, {0.4}, true, true, Padding::scattered, 0.1},
          {1, 2, 2, 200, 200, 16, {1.5, 0.0}, true},
          {1, 1, 1, 5, 5, 8, {0.5}, true}};
}

struct Problem {
  std::string name;
  Inputs in;
  AttentionOptions options;
};

std::vector<Problem> problems() {
  std::vector<Problem> all;
  for (const Case& c : cases()) {
    all.push_back({describe(c), inputs_of(c), options_of(c)});
    if (c.queries != c.keys) continue;
    auto options = options_of(c);
    options.strength = 0, options.strengths.reset(), options.exclude_self = true, options.strength_length = 0,
    options.elemmul = true;
    all.push_back({describe(c) + " elemmul", inputs_of(c), options});
  }
  return all;
}

at::Tensor upstream_of(const Problem& p) { return normal(p.in.query.sizes(), 99, at::kFloat); }

// The largest error over what is allowed: above 1 fails.
double worst(const Yardstick& yardstick, const Results& actual) {
  double worst = 0;
  for (const auto& part : yardstick.compare(actual)) worst = std::max(worst, part.error / part.allowed());
  return worst;
}

TEST(Yardstick, ThePlainPathPassesInOrdersThatItHasNotSeen) {
  for (const auto& p : problems()) {
    SCOPED_TRACE(p.name);
    const Yardstick yardstick(p.in, p.options, upstream_of(p));
    for (uint64_t seed = kOrders; seed < kOrders + 8; ++seed) {
      const auto in_order = [&](const auto& q, const auto& k, const auto& v, const auto& options) {
        return plain_in_order(q, k, v, options, seed);
      };
      yardstick.expect_close(run_with(in_order, p.in, p.options, upstream_of(p), at::kFloat));
    }
  }
}

// Without dropout, which the kernels draw by position.
TEST(Yardstick, TheKernelsPassInEveryOrder) {
  for (auto p : problems()) {
    SCOPED_TRACE(p.name);
    p.options.dropout = 0;
    const Yardstick yardstick(p.in, p.options, upstream_of(p));
    for (uint64_t seed = 0; seed < kOrders + 4; ++seed) {
      const auto in_order = [&](const auto& q, const auto& k, const auto& v, const auto& options) {
        const Reordered r(q, k, v, options, seed);
        return r.rows_back(fused_attention(r.in.query, r.in.key, r.in.value, r.options), 2);
      };
      yardstick.expect_close(run_with(in_order, p.in, p.options, upstream_of(p), at::kFloat));
    }
  }
}

// As tf32 has them, ten bits behind the point; gradients pass through.
at::Tensor short_of(const at::Tensor& x) {
  const auto bits = x.detach().contiguous().view(at::kInt);
  const auto rounded = (bits + 0x1000).bitwise_and(~0x1FFF).view(at::kFloat);
  return x + (rounded - x.detach());
}

// The same in the gradient that comes back instead.
struct ShortGradient : torch::autograd::Function<ShortGradient> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) { return x.clone(); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return {short_of(gradients[0])};
  }
};

TEST(Yardstick, OneProductInReducedPrecisionFails) {
  using Mutation = std::function<at::Tensor(const Inputs&, const AttentionOptions&)>;
  const auto plain = [](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& o) {
    return reference_attention(q, k, v, o);
  };
  const std::pair<const char*, Mutation> mutations[] = {
      {"scores", [&](const auto& in, const auto& o) { return plain(short_of(in.query), in.key, in.value, o); }},
      {"output", [&](const auto& in, const auto& o) { return plain(in.query, in.key, short_of(in.value), o); }},
      {"dS and dV",
       [&](const auto& in, const auto& o) { return ShortGradient::apply(plain(in.query, in.key, in.value, o)); }},
      {"dK",
       [&](const auto& in, const auto& o) { return plain(in.query, ShortGradient::apply(in.key), in.value, o); }}};
  for (const auto& p : problems()) {
    const Yardstick yardstick(p.in, p.options, upstream_of(p));
    for (const auto& [name, mutation] : mutations) {
      const auto mutated = [&](const auto& q, const auto& k, const auto& v, const auto& options) {
        return mutation({q, k, v}, options);
      };
      EXPECT_GT(worst(yardstick, run_with(mutated, p.in, p.options, upstream_of(p), at::kFloat)), 10)
          << name << " of " << p.name;
    }
  }
}

// The floor hides little where sums have an error of their own: three times what the plain path's largest error allows
// fails, or eight times in elemmul, whose terms are products of two matrices. ∂L/∂λ is one number from all of them.
TEST(Yardstick, AMultipleOfThePlainPathsErrorFails) {
  for (const auto& p : problems()) {
    if (p.in.query.size(2) < 40) continue;
    const Yardstick yardstick(p.in, p.options, upstream_of(p));
    for (const auto& part : yardstick.compare(yardstick.exact())) {
      if (part.name == "strengths gradient") continue;
      EXPECT_LT(part.allowed(), (p.options.elemmul ? 8 : 3) * part.times * part.plain) << part.name << " of " << p.name;
    }
  }
}

}  // namespace
}  // namespace saobp::attention::testing
