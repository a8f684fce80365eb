// The shapes and options that the fused kernels are tested on, and that a benchmark can verify its results on.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "cases.h"

namespace saobp::attention::testing {

enum class Padding { none, tail, scattered };

struct Case {
  int64_t batch, heads, key_heads, queries, keys, channels;
  std::vector<double> strengths;  // one number, or a tensor with one for each head
  bool causal = false;
  bool exclude_self = true;
  Padding padding = Padding::none;
  double dropout = 0;
  bool packed = false;  // transposed views of one packed projection
  int64_t strength_length = 0;
};

inline std::string describe(const Case& c) {
  std::string text = std::to_string(c.batch) + "," + std::to_string(c.heads) + "/" + std::to_string(c.key_heads) + "," +
                     std::to_string(c.queries) + "x" + std::to_string(c.keys) + "," + std::to_string(c.channels) +
                     (c.causal ? " causal" : "") + " strength";
  for (const double strength : c.strengths) text += " " + std::to_string(strength);
  return text + (c.exclude_self ? "" : ", own message kept") + ", padding " +
         std::to_string(static_cast<int>(c.padding)) + ", dropout " + std::to_string(c.dropout) +
         (c.packed ? ", packed" : "") +
         (c.strength_length > 0 ? ", strength length " + std::to_string(c.strength_length) : "");
}

inline const std::vector<Case>& encoder_cases() {
  static const std::vector<Case> cases = {
      {2, 2, 2, 128, 128, 64, {0.2}, false, true, Padding::none, 0, true},
      {1, 1, 1, 1, 1, 8, {0.2}},
      {2, 3, 3, 7, 7, 16, {0.7}},
      {2, 1, 1, 65, 65, 32, {-0.5}, false, true, Padding::tail, 0, true},
      {1, 2, 2, 129, 129, 64, {2.0}, false, true, Padding::none, 0.1, true},
      {2, 2, 2, 300, 300, 64, {-2.0}, false, true, Padding::tail, 0.1, true},
      {1, 1, 1, 300, 300, 128, {5.0}},
      {1, 1, 1, 200, 200, 24, {-20.0}},
      {1, 1, 1, 200, 200, 24, {20.0}},
      {2, 2, 2, 64, 64, 7, {0.2}, false, true, Padding::scattered, 0.5, true},
      {2, 2, 2, 128, 128, 64, {0.2}, false, false, Padding::tail, 0.1, true},
      {1, 2, 2, 150, 150, 40, {-3.0}, false, false},
      {2, 2, 2, 128, 128, 64, {0.0}, false, true, Padding::none, 0, true},
      {3, 2, 2, 100, 100, 32, {0.0}, false, true, Padding::scattered, 0.2, true},
      {2, 2, 2, 33, 140, 16, {0.4}, false, true, Padding::tail, 0.1},
      {2, 2, 2, 140, 33, 16, {-0.4}},
      {1, 1, 1, 1040, 1040, 8, {0.2}, false, true, Padding::none, 0.1},
      {1, 1, 1, 1040, 1040, 8, {0.0}},
      // So wide that of three blocks two are kept between the sweeps; and of two blocks one.
      {1, 1, 1, 140, 32000, 8, {0.2}, false, true, Padding::none, 0.1},
      {1, 1, 1, 70, 66000, 8, {-0.2}},
      {4, 1, 1, 20, 20, 8, {1.0}, false, true, Padding::scattered},
      {2, 2, 2, 16, 16, 1, {0.2}},
      // A strength for each head, and heads of key and value that are shared.
      {2, 3, 3, 63, 63, 16, {0.2, -0.7, 0.0}},
      {1, 2, 2, 300, 300, 16, {3.0, -20.0}, false, true, Padding::none, 0.1},
      {2, 4, 2, 65, 65, 16, {0.3, 0.0, -0.3, 1.0}, false, false, Padding::tail},
      {2, 4, 1, 129, 129, 24, {0.5}, false, true, Padding::scattered, 0.2},
      {1, 6, 3, 40, 90, 8, {0.0}},
      // Rows for which the strength is weakened; of some only those without padding are so long.
      {2, 2, 2, 300, 300, 16, {2.0}, false, true, Padding::tail, 0.1, true, 64},
      {2, 2, 2, 100, 100, 8, {20.0, -3.0}, false, false, Padding::scattered, 0, false, 80},
      {1, 1, 1, 140, 33, 16, {-0.4}, false, true, Padding::none, 0, false, 40},
  };
  return cases;
}

inline const std::vector<Case>& causal_cases() {
  static const std::vector<Case> cases = {
      {1, 2, 2, 1, 1, 8, {0.2}, true},
      {2, 2, 2, 63, 63, 16, {0.2}, true, true, Padding::none, 0, true},
      {2, 1, 1, 64, 64, 64, {-0.7}, true, true, Padding::none, 0.1, true},
      {2, 2, 2, 65, 65, 16, {0.2}, true, false},
      {2, 2, 2, 129, 129, 32, {0.4}, true, true, Padding::tail, 0.1, true},
      {3, 2, 2, 129, 129, 7, {-0.4}, true, true, Padding::scattered},
      {3, 2, 2, 150, 150, 16, {1.0}, true, false, Padding::scattered, 0.2},
      {1, 2, 2, 300, 300, 64, {2.0}, true, true, Padding::none, 0.1, true},
      {1, 2, 2, 300, 300, 16, {-2.0}, true},
      {1, 1, 1, 200, 200, 24, {20.0}, true},
      {1, 1, 1, 200, 200, 24, {-20.0}, true},
      {1, 1, 1, 200, 200, 24, {-5.0}, true, false},
      {1, 1, 1, 1040, 1040, 8, {0.2}, true, true, Padding::none, 0.1},
      {2, 2, 2, 129, 129, 16, {0.0}, true, true, Padding::tail, 0.1},
      {1, 1, 1, 300, 300, 64, {0.0}, true, true, Padding::none, 0, true},
      {3, 1, 1, 100, 100, 8, {0.0}, true, true, Padding::scattered},
      {2, 3, 3, 65, 65, 16, {0.2, -0.7, 0.0}, true},
      {2, 4, 2, 129, 129, 16, {0.5, 0.0, -0.5, 20.0}, true, false, Padding::tail, 0.1},
      {1, 4, 1, 300, 300, 8, {0.3}, true},
      {2, 2, 2, 300, 300, 16, {2.0}, true, true, Padding::tail, 0.1, true, 70},
      {3, 2, 2, 150, 150, 8, {-0.7}, true, false, Padding::scattered, 0, false, 64},
      {1, 2, 1, 200, 200, 8, {20.0, 0.0}, true, true, Padding::none, 0, false, 1},
  };
  return cases;
}

inline AttentionOptions options_of(const Case& c) {
  AttentionOptions options;
  if (c.strengths.size() == 1) {
    options.strength = c.strengths[0];
  } else {
    options.strengths = at::tensor(c.strengths, at::kFloat);
  }
  options.causal = c.causal;
  options.exclude_self = c.exclude_self;
  options.strength_length = c.strength_length;
  options.dropout = c.dropout;
  options.seed = 1234567;
  if (c.padding == Padding::tail) options.key_mask = tail_padding(c.batch, c.keys);
  if (c.padding == Padding::scattered) options.key_mask = scattered_padding(c.batch, c.keys);
  return options;
}

inline Inputs inputs_of(const Case& c, at::ScalarType type = at::kFloat) {
  if (c.packed) return packed_inputs(c.batch, c.heads, c.keys, c.channels, type);
  const auto heads = [&](int64_t count, int64_t length, uint64_t seed) {
    return normal({c.batch, count, length, c.channels}, seed, type);
  };
  return {heads(c.heads, c.queries, 1), heads(c.key_heads, c.keys, 2), heads(c.key_heads, c.keys, 3)};
}

}  // namespace saobp::attention::testing
