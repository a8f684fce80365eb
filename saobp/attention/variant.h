// The attention variants of [SAOBP] by the names that the command line and config.json use.
#pragma once

#include <string>
#include <vector>

namespace saobp::attention {

enum class Variant { original, high, low, elemmul };

inline const std::vector<std::string>& enum_names(Variant) {
  static const std::vector<std::string> names = {"original", "high", "low", "elemmul"};
  return names;
}

// The others refine nothing, or without a strength.
inline bool has_strength(Variant variant) { return variant == Variant::high || variant == Variant::low; }

}  // namespace saobp::attention
