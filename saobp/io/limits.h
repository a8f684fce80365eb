// Which numbers an option takes: what its help says, and what is said of a number outside.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>

#include "saobp/io/words.h"

namespace saobp::io {

struct Limits {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  bool above_least = false;  // `least` itself is outside

  // "1 to 1,024", "at least 1", "above 0, at most 1"; empty where there are none.
  std::string text() const {
    const bool low = std::isfinite(least), high = std::isfinite(most);
    const auto written = [](double value) {
      return is_whole(value) ? grouped(static_cast<int64_t>(value)) : plain(value);
    };
    if (low && high && !above_least) return written(least) + " to " + written(most);
    std::string out = low ? (above_least ? "above " : "at least ") + written(least) : "";
    if (high) out += (low ? ", at most " : "at most ") + written(most);
    return out;
  }

  // "0 was given; at least 1 was expected"; empty where the value is inside. What is not finite is always outside.
  template <class T>
  std::string complaint(const T& value) const {
    const auto v = static_cast<double>(value);
    if (std::isfinite(v) && v <= most && (above_least ? v > least : v >= least)) return "";
    const bool low = std::isfinite(least), high = std::isfinite(most);
    std::string expected = "a finite number";
    if (low && high)
      expected = above_least ? concat("above ", plain(least), " and at most ", plain(most))
                             : concat("a number from ", plain(least), " to ", plain(most));
    else if (low || high)
      expected = low ? concat(above_least ? "above " : "at least ", plain(least)) : concat("at most ", plain(most));
    if constexpr (std::is_integral_v<T>) return concat(value, " was given; ", expected, " was expected");
    return concat(plain(v), " was given; ", expected, " was expected");
  }

 private:
  static bool is_whole(double value) { return value == std::floor(value) && std::abs(value) < 1e15; }
  // As it would be typed.
  static std::string plain(double value) {
    if (is_whole(value)) return std::to_string(static_cast<int64_t>(value));
    std::ostringstream out;
    out.precision(10);
    out << value;
    return out.str();
  }
};

constexpr Limits at_least(double least) { return {.least = least}; }
constexpr Limits between(double least, double most) { return {.least = least, .most = most}; }
constexpr Limits above(double least, double most) { return {.least = least, .most = most, .above_least = true}; }

}  // namespace saobp::io
