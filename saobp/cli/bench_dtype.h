// The types that the benchmarks know.
#pragma once

#include <string>
#include <vector>

namespace saobp::cli {

enum class BenchDtype { f32, bf16 };

inline const std::vector<std::string>& enum_names(BenchDtype) {
  static const std::vector<std::string> names = {"f32", "bf16"};
  return names;
}

}  // namespace saobp::cli
