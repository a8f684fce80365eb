// Decoding with a cache against the causal form over the whole sequence.
#include "saobp/attention/decode.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "cases.h"
#include "saobp/attention/reference.h"
#include "yardstick.h"

namespace saobp::attention::testing {
namespace {

struct Form {
  std::string name;
  AttentionOptions options;
};

// `heads` is the length of the strengths.
std::vector<Form> forms(int64_t heads) {
  std::vector<Form> all;
  for (const double strength : {0.0, 0.5, -0.5, 20.0, -20.0}) {
    for (const bool exclude_self : {true, false}) {
      AttentionOptions options;
      options.strength = strength;
      options.exclude_self = exclude_self;
      all.push_back({"strength " + std::to_string(strength) + (exclude_self ? "" : " own message kept"), options});
    }
  }
  AttentionOptions options;
  options.strengths = at::linspace(-1.5, 2, heads, at::kDouble);
  all.push_back({"strengths", options});
  options.steps = 3;
  all.push_back({"three steps", options});
  options.strength_length = 16;
  all.push_back({"three steps, strength length", options});
  options.steps = 1, options.exclude_self = false;
  all.push_back({"strength length", options});
  options = {};
  options.elemmul = true;
  all.push_back({"elemmul", options});
  return all;
}

Inputs rows(const Inputs& in, int64_t begin, int64_t count) {
  const auto part = [&](const at::Tensor& t) { return t.narrow(2, begin, count); };
  return {part(in.query), part(in.key), part(in.value)};
}

at::Tensor append(DecodeCache& cache, const Inputs& in, int64_t begin, int64_t count,
                  const std::optional<at::Tensor>& key_mask = {}) {
  const auto part = rows(in, begin, count);
  const auto mask = key_mask ? std::optional(key_mask->narrow(1, begin, count)) : std::nullopt;
  return count == 1 ? decode_step(cache, part.query, part.key, part.value, mask)
                    : prefill(cache, part.query, part.key, part.value, mask);
}

// The prompts one after the other, then single tokens up to the end.
at::Tensor decode(DecodeCache& cache, const Inputs& in, const std::vector<int64_t>& prompts,
                  const std::optional<at::Tensor>& key_mask = {}) {
  std::vector<at::Tensor> outputs;
  for (const int64_t count : prompts) outputs.push_back(append(cache, in, cache.length(), count, key_mask));
  while (cache.length() < in.query.size(2)) outputs.push_back(append(cache, in, cache.length(), 1, key_mask));
  return at::cat(outputs, 2);
}

at::Tensor decode(const AttentionOptions& options, const Inputs& in, const std::vector<int64_t>& prompts,
                  const std::optional<at::Tensor>& key_mask = {}) {
  DecodeCache cache(options);
  return decode(cache, in, prompts, key_mask);
}

at::Tensor whole(AttentionOptions options, const Inputs& in, at::ScalarType type,
                 const std::optional<at::Tensor>& key_mask = {}) {
  options.causal = true;
  options.key_mask = key_mask;
  return reference_attention(in.query.to(type), in.key.to(type), in.value.to(type), options);
}

TEST(Decode, EqualsTheWholeSequence) {
  for (const int64_t key_heads : {4, 2, 1}) {
    const auto in = grouped_inputs(2, 4, key_heads, 40, 8);
    for (const auto& form : forms(4)) {
      SCOPED_TRACE(form.name + " key heads " + std::to_string(key_heads));
      const auto expected = whole(form.options, in, at::kDouble);
      for (const auto& prompts : std::vector<std::vector<int64_t>>{{}, {13}, {25, 7}, {40}}) {
        EXPECT_LT(largest_difference(decode(form.options, in, prompts), expected), 1e-11) << prompts.size();
      }
    }
  }
}

// 1500 rows of 8 heads are several blocks of rows.
TEST(Decode, LongPromptsAreTakenInBlocks) {
  const auto in = random_inputs(1, 8, 1500, 1500, 4);
  for (const auto& form : forms(8)) {
    if (form.options.steps > 1 || !form.options.exclude_self) continue;
    SCOPED_TRACE(form.name);
    EXPECT_LT(largest_difference(decode(form.options, in, {1490}), whole(form.options, in, at::kDouble)), 1e-10);
  }
}

TEST(Decode, InFloatItErrsAsTheWholeSequenceDoes) {
  const auto in = random_inputs(2, 2, 200, 200, 16, at::kFloat);
  for (const auto& form : forms(2)) {
    SCOPED_TRACE(form.name);
    auto options = form.options;
    options.causal = true;
    const Yardstick yardstick(in, options, at::ones_like(in.query));
    for (const auto& prompts : std::vector<std::vector<int64_t>>{{}, {150}}) {
      Results actual;
      actual.output = decode(form.options, in, prompts);
      yardstick.expect_close(actual);
    }
  }
}

TEST(Decode, HalfTypesAreStoredAsTheyAreAndComputedInFloat) {
  for (const auto& form : forms(4)) {
    SCOPED_TRACE(form.name);
    const auto half = grouped_inputs(2, 4, 2, 50, 8, at::kBFloat16);
    const Inputs widened = {half.query.to(at::kFloat), half.key.to(at::kFloat), half.value.to(at::kFloat)};
    const auto output = decode(form.options, half, {20});
    EXPECT_EQ(output.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(output.equal(decode(form.options, widened, {20}).to(at::kBFloat16)));
    // Float queries over a cache that holds bfloat16.
    DecodeCache cache(form.options, at::kBFloat16);
    EXPECT_TRUE(decode(cache, widened, {20}).equal(decode(form.options, widened, {20})));
  }
}

TEST(Decode, PaddedTokensTakeNoPart) {
  const int64_t length = 24, padding = 7;
  // Row 0 is padded at the left, row 1 is full, row 2 here and there (its last tokens are real).
  auto mask = at::ones({3, length}, at::kBool);
  mask[0].narrow(0, 0, padding).fill_(false);
  mask[2] = normal({length}, 3).gt(-0.3);
  mask.narrow(1, 20, 4).fill_(true);
  for (const auto& form : forms(4)) {
    SCOPED_TRACE(form.name);
    auto in = grouped_inputs(3, 4, 2, length, 8);
    const auto expected = whole(form.options, in, at::kDouble, mask);
    for (auto* t : {&in.query, &in.key, &in.value}) {
      *t = t->masked_fill(mask.logical_not().unsqueeze(1).unsqueeze(-1), NAN);
    }
    for (const int64_t prompt : {2, 10, 20}) {
      // The prompt with its mask; where all tokens that follow are real, without.
      DecodeCache cache(form.options);
      std::vector<at::Tensor> outputs = {append(cache, in, 0, prompt, mask)};
      while (cache.length() < length) {
        outputs.push_back(
            append(cache, in, cache.length(), 1, cache.length() < 20 ? std::optional(mask) : std::nullopt));
      }
      EXPECT_LT(largest_difference(at::cat(outputs, 2), expected), 1e-11) << prompt;
    }
    // As if the padding had never been.
    const auto alone =
        rows({in.query.narrow(0, 0, 1), in.key.narrow(0, 0, 1), in.value.narrow(0, 0, 1)}, padding, length - padding);
    EXPECT_LT(largest_difference(decode(form.options, alone, {5}), expected.narrow(0, 0, 1).narrow(2, padding, 17)),
              1e-11);
  }
}

TEST(Decode, ReorderedRowsGoOnFromTheirNewPast) {
  const auto indices = at::tensor({2, 0, 0, 1}, at::kLong);
  const auto past = grouped_inputs(3, 4, 2, 30, 8), next = grouped_inputs(4, 4, 2, 5, 8, at::kDouble, 50);
  auto mask = at::ones({3, 30}, at::kBool);
  mask[0].narrow(0, 0, 9).fill_(false);
  const auto join = [&](const at::Tensor& a, const at::Tensor& b) {
    return at::cat({a.index_select(0, indices), b}, 2);
  };
  const Inputs joined = {join(past.query, next.query), join(past.key, next.key), join(past.value, next.value)};
  const auto joined_mask = at::cat({mask.index_select(0, indices), at::ones({4, 5}, at::kBool)}, 1);
  for (const auto& form : forms(4)) {
    SCOPED_TRACE(form.name);
    DecodeCache cache(form.options);
    append(cache, past, 0, 30, mask);
    cache.reorder(indices);
    std::vector<at::Tensor> outputs;
    for (int64_t i = 0; i < 5; ++i) outputs.push_back(append(cache, next, i, 1));
    const auto expected = whole(form.options, joined, at::kDouble, joined_mask).narrow(2, 30, 5);
    EXPECT_LT(largest_difference(at::cat(outputs, 2), expected), 1e-11);
  }
}

TEST(Decode, TheCacheGrowsByDoublingAndKeepsTheQuerysLayout) {
  AttentionOptions options;
  options.strength = 0.3;
  DecodeCache cache(options);
  const auto in = packed_inputs(1, 2, 300, 4);
  EXPECT_TRUE(append(cache, in, 0, 20).transpose(1, 2).is_contiguous());
  int64_t grown = 0;
  for (int64_t i = 20; i < 300; ++i) {
    const int64_t before = cache.capacity();
    append(cache, in, i, 1);
    grown += cache.capacity() != before;
    ASSERT_LE(cache.length(), cache.capacity());
  }
  EXPECT_EQ(cache.length(), 300);
  EXPECT_LE(grown, 3);
  cache.reserve(5000);
  EXPECT_EQ(cache.capacity(), 5000);
}

TEST(Decode, CarriesNoGradientAndTakesAnEmptyBatch) {
  AttentionOptions options;
  options.strengths = at::full({2}, 0.3).set_requires_grad(true);
  DecodeCache cache(options);
  auto in = random_inputs(1, 2, 4, 4, 4, at::kFloat);
  in.query.set_requires_grad(true);
  EXPECT_FALSE(decode(cache, in, {2}).requires_grad());
  EXPECT_EQ(decode(options, random_inputs(0, 2, 4, 4, 4), {2}).sizes(), at::IntArrayRef({0, 2, 4, 4}));
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& e) {
    return e.what_without_backtrace();
  }
  return "no error";
}

TEST(Decode, DisagreementsAreNamed) {
  DecodeCache cache({});
  const auto in = grouped_inputs(2, 4, 2, 6, 8);
  append(cache, in, 0, 3);
  const auto error = [&](const Inputs& other) { return error_of([&] { append(cache, other, 0, 1); }); };
  EXPECT_EQ(error(grouped_inputs(3, 4, 2, 1, 8)),
            "decode: the new tokens have 3 batch rows, the cache has 2; they must agree");
  EXPECT_EQ(error(grouped_inputs(2, 2, 2, 1, 8)),
            "decode: the new tokens have 2 heads, the cache has 4; they must agree");
  EXPECT_EQ(error(grouped_inputs(2, 4, 4, 1, 8)),
            "decode: the new tokens have 4 key heads, the cache has 2; they must agree");
  EXPECT_EQ(error(grouped_inputs(2, 4, 2, 1, 5)),
            "decode: the new tokens have 5 channels, the cache has 8; they must agree");
  EXPECT_EQ(error(grouped_inputs(2, 4, 2, 1, 8, at::kFloat)),
            "decode: query calls for arithmetic of type Float, the cache was begun with Double; they must agree");
  EXPECT_EQ(error_of([&] { decode_step(cache, in.query, in.key, in.value); }),
            "decode: a step takes one token, found 6; prefill takes several");
  EXPECT_EQ(error_of([&] { cache.reorder(at::tensor({0, 2}, at::kLong)); }),
            "decode: indices reach from 0 to 2; the cache has batch rows 0 to 1");
  EXPECT_EQ(error_of([&] { cache.reorder(at::ones({2})); }),
            "decode: indices have shape [2] and type Float; expected [new batch] and Long");
  EXPECT_EQ(cache.length(), 3);
}

TEST(Decode, FormsThatCannotBeDecodedAreRefused) {
  AttentionOptions options;
  options.dropout = 0.1;
  EXPECT_EQ(error_of([&] { DecodeCache{options}; }), "decode: dropout is 0.1; expected 0");
  options = {};
  options.leaky_causal = true;
  EXPECT_EQ(error_of([&] { DecodeCache{options}; }),
            "decode: leaky_causal needs the rows to come; only the causal form can be decoded");
  options = {};
  options.key_mask = at::ones({1, 1}, at::kBool);
  EXPECT_EQ(error_of([&] { DecodeCache{options}; }), "decode: masks are given with the tokens, not in the options");
}

}  // namespace
}  // namespace saobp::attention::testing
