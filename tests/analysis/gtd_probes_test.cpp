#include "saobp/analysis/gtd_probes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "saobp/model/libtorch.h"
#include "tests/analysis/tools.h"
#include "tests/tools.h"

namespace saobp::analysis {
namespace {

using attention::AttentionOptions;
using attention::from_variant;
using attention::Variant;
using testing::value;
using tests::error_of;

constexpr int64_t kLength = 24, kReal = 19, kChannels = 8;

struct Case {
  std::string name;
  AttentionOptions options;
  double sharpness = 2;  // of the scores; 0: uniform attention
  MeasureOptions metrics = {};
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, AttentionOptions options, double sharpness = 2) {
    all.push_back({name, options, sharpness});
    return &all.back();
  };
  const auto causal = [](AttentionOptions options) {
    options.causal = true;
    return options;
  };
  const auto high = from_variant(Variant::high, 0.5);
  add("original", {});
  add("original, sharp", {}, 12);
  add("high", high);
  add("low", from_variant(Variant::low, 0.5));
  add("elemmul", from_variant(Variant::elemmul, 0));
  add("causal original", causal({}));
  add("causal high", causal(high));
  add("causal elemmul", causal(from_variant(Variant::elemmul, 0)));
  auto leaky = high, twice = high, of_heads = AttentionOptions{};
  leaky.leaky_causal = true;
  twice.steps = 2;
  of_heads.strengths = torch::tensor({0.9, -0.3}, torch::kDouble);
  add("leaky causal high", leaky);
  add("two steps", twice);
  add("a strength a head", of_heads);
  add("two hops", high)->metrics.gtd_hops = 2;
  add("five hops", high)->metrics = {.gtd_discount = 0.7, .gtd_hops = 5};
  return all;
}

// One sequence, of which the last tokens are padding, `copies` times: each copy gets probes of its own.
struct QueryKeys {
  torch::Tensor query, key, mask;  // [copies, 2, L, D], [copies, L]
};

QueryKeys make_sequence(int64_t copies, double sharpness, int64_t length = kLength, int64_t real = kReal) {
  torch::manual_seed(5);
  const auto draw = [&] {
    return torch::randn({1, 2, length, kChannels}, torch::kDouble).expand({copies, -1, -1, -1});
  };
  const auto query = draw() * sharpness, key = draw();
  const auto mask = torch::arange(length).lt(real).expand({copies, -1});
  return {query, key, mask};
}

// A and B of the first copy, cut to the real tokens.
std::pair<torch::Tensor, torch::Tensor> exact_matrices(const QueryKeys& sequence, AttentionOptions options) {
  options.key_mask = sequence.mask.slice(0, 0, 1);
  const auto [a, b] =
      attention::attention_matrices(sequence.query.slice(0, 0, 1), sequence.key.slice(0, 0, 1), options);
  const int64_t real = options.key_mask->sum().item<int64_t>();
  const auto cut = [&](const torch::Tensor& m) { return m[0].slice(1, 0, real).slice(2, 0, real); };
  return {cut(a), cut(b)};
}

void expect_entropy(const torch::Tensor& found, const torch::Tensor& matrices) {
  const auto exact = value("attention_entropy", matrices);
  for (int64_t head = 0; head < 2; ++head) EXPECT_NEAR(found[0][head].item<double>(), exact[head], 1e-10);
}

// Estimates of many seeds against the exact value.
void expect_honest(const ProbedAttention& found, const torch::Tensor& matrices, const MeasureOptions& metrics) {
  const auto exact = value("gtd", matrices, metrics);
  for (int64_t head = 0; head < 2; ++head) {
    const auto values = found.gtd.select(1, head), errors = found.gtd_standard_error.select(1, head);
    const double seeds = static_cast<double>(values.size(0)), spread = values.std().item<double>();
    const double claimed = errors.square().mean().sqrt().item<double>();
    EXPECT_NEAR(values.mean().item<double>(), exact[head], 4 * spread / std::sqrt(seeds) + 1e-12) << "head " << head;
    // The spread of 300 estimates is itself known to about 4 % where they are close to normal.
    EXPECT_NEAR(claimed / spread, 1, 0.15) << "head " << head;
    const double covered = (values - exact[head]).abs().le(2 * errors).to(torch::kDouble).mean().item<double>();
    EXPECT_GT(covered, 0.90) << "head " << head;  // 0.954 for a normal error, less for a skewed one
  }
}

TEST(GtdProbes, MeanAndStandardErrorAgreeWithTheExactGtd) {
  for (const auto& one : cases()) {
    SCOPED_TRACE(one.name);
    const auto sequence = make_sequence(300, one.sharpness);
    auto options = one.options;
    options.key_mask = sequence.mask;
    const auto [a, b] = probe_attention(sequence.query, sequence.key, options, one.metrics, 48, 1);
    const auto [exact_a, exact_b] = exact_matrices(sequence, one.options);
    expect_honest(a, exact_a, one.metrics);
    expect_honest(b, exact_b, one.metrics);
    expect_entropy(a.entropy, exact_a);
    if (options.elemmul)
      EXPECT_FALSE(b.entropy.defined());
    else
      expect_entropy(b.entropy, exact_b);
  }
}

// The ratio's bias would show here: it falls with the number of probes, the standard error of this mean does not.
TEST(GtdProbes, FewProbesAreNotBiased) {
  const auto sequence = make_sequence(4000, 2);
  AttentionOptions options;
  options.key_mask = sequence.mask;
  const auto found = probe_attention(sequence.query, sequence.key, options, {}, 4, 1).first.gtd;
  const auto exact = value("gtd", exact_matrices(sequence, {}).first);
  for (int64_t head = 0; head < 2; ++head) {
    const auto values = found.select(1, head);
    EXPECT_NEAR(values.mean().item<double>(), exact[head], 4 * values.std().item<double>() / std::sqrt(4000));
  }
}

TEST(GtdProbes, FloatAndItsFusedKernelsAgreeWithDouble) {
  for (const bool causal : {false, true}) {
    auto options = from_variant(Variant::high, 0.5);
    options.causal = causal;
    const auto sequence = make_sequence(3, 2, 70, 61);
    options.key_mask = sequence.mask;
    const auto wide = probe_attention(sequence.query, sequence.key, options, {}, 20, 1);
    const auto query = sequence.query.to(torch::kFloat), key = sequence.key.to(torch::kFloat);
    EXPECT_NE(attention::kernel_for(query, key, key, options), "composite");
    const auto narrow = probe_attention(query, key, options, {}, 20, 1);
    for (const auto& [x, y] : {std::pair(wide.first, narrow.first), std::pair(wide.second, narrow.second)}) {
      EXPECT_TRUE(torch::allclose(x.gtd, y.gtd, 1e-5, 1e-6));
      EXPECT_TRUE(torch::allclose(x.gtd_standard_error, y.gtd_standard_error, 1e-3, 1e-6));
      EXPECT_TRUE(torch::allclose(x.entropy, y.entropy, 1e-5, 1e-6));
    }
  }
}

TEST(GtdProbes, UniformAttentionIsExact) {
  const auto sequence = make_sequence(2, 0, 40, 40);
  const auto a = probe_attention(sequence.query, sequence.key, {}, {}, 2, 1).first;
  EXPECT_TRUE(torch::allclose(a.gtd, torch::full({2, 2}, idempotent_gtd({}), torch::kDouble), 0, 1e-12));
  EXPECT_LT(a.gtd_standard_error.max().item<double>(), 1e-12);
  EXPECT_TRUE(torch::allclose(a.entropy, torch::full({2, 2}, std::log(40), torch::kDouble), 0, 1e-12));
}

TEST(GtdProbes, PaddingChangesNothingButTheProbes) {
  // Every copy is the same sequence, with more and more padding behind it; the last one is padding alone.
  const auto sequence = make_sequence(4, 2);
  auto options = from_variant(Variant::high, 0.5);
  const auto lengths = torch::tensor({kReal, kReal, int64_t{1}, int64_t{0}});
  options.key_mask = torch::arange(kLength).unsqueeze(0).lt(lengths.unsqueeze(-1));
  auto key = sequence.key.clone();
  key[0].slice(1, kReal).fill_(1e6);
  const auto b = probe_attention(sequence.query, key, options, {}, 1024, 1).second;
  for (int64_t copy : {0, 1}) {
    const auto exact = value("gtd", exact_matrices(sequence, from_variant(Variant::high, 0.5)).second);
    for (int64_t head = 0; head < 2; ++head)
      EXPECT_NEAR(b.gtd[copy][head].item<double>(), exact[head], 5 * b.gtd_standard_error[copy][head].item<double>());
  }
  EXPECT_NEAR(b.gtd[2][0].item<double>(), idempotent_gtd({}), 1e-12);  // one token looks at itself
  EXPECT_TRUE(b.gtd[3].isnan().all().item<bool>());
}

TEST(GtdProbes, GroupedHeads) {
  const auto sequence = make_sequence(2, 2);
  auto options = from_variant(Variant::high, 0.5);
  options.key_mask = sequence.mask;
  const auto one = sequence.key.slice(1, 0, 1);
  const auto grouped = probe_attention(sequence.query, one, options, {}, 8, 1).second;
  const auto repeated = probe_attention(sequence.query, one.expand({-1, 2, -1, -1}), options, {}, 8, 1).second;
  EXPECT_TRUE(torch::equal(grouped.gtd, repeated.gtd));
}

TEST(GtdProbes, TheSeedDecides) {
  const auto sequence = make_sequence(2, 2);
  const auto of = [&](uint64_t seed) {
    return probe_attention(sequence.query, sequence.key, {}, {}, 8, seed).first.gtd;
  };
  EXPECT_TRUE(torch::equal(of(1), of(1)));
  EXPECT_FALSE(torch::equal(of(1), of(2)));
}

TEST(GtdProbes, RefusesWhatHasNoGtd) {
  const auto x = torch::randn({1, 2, 6, 4});
  EXPECT_EQ(error_of([&] { probe_attention(x, x.slice(2, 0, 5), {}, {}, 8, 1); }),
            "GTD: 6 queries and 5 keys; self-attention, with as many of both, was expected");
  AttentionOptions options;
  options.query_mask = torch::arange(6).lt(4).unsqueeze(0);
  EXPECT_EQ(error_of([&] { probe_attention(x, x, options, {}, 8, 1); }).find("GTD: the query mask differs"), 0u);
  EXPECT_EQ(error_of([&] { probe_attention(x, x, {}, {}, 1, 1); }).find("usage: GTD from 1 probes"), 0u);
}

}  // namespace
}  // namespace saobp::analysis
