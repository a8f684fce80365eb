// Counts, sizes, times and names as people read and write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/io/error.h"

namespace saobp::io {

// 1234567 → "1,234,567".
std::string grouped(int64_t value);

// "1 file", "12,345 files"; a plural that takes more than an s is given: counted(2, "pass", "passes").
template <class Number>
std::string counted(Number count, std::string_view one, std::string_view more = "") {
  const auto n = static_cast<int64_t>(count);
  if (n == 1) return concat("1 ", one);
  return more.empty() ? concat(grouped(n), " ", one, "s") : concat(grouped(n), " ", more);
}

// Characters of UTF-8 text, as code points: the columns that it takes where none is wide or combining.
int64_t code_points(std::string_view text);

// The first of them, at most so many.
std::string first_code_points(std::string_view text, size_t most);

// With blanks behind it, or before it where it is to stand at the right, to so many columns.
std::string padded(std::string_view text, size_t columns, bool right = false);

// Three digits that count, without trailing zeros or exponents: "0.048", "12.3", "1234".
std::string in_short(double value);

// "6 bytes", "1.2 kB", "34.5 MB", "1.62 GB" (powers of 1000).
std::string size_in_words(double bytes);

// "0.048 s", "12.3 s", "2 min 05 s", "3 h 20 min".
std::string time_in_words(double seconds);

// "a", "a or b", "a, b or c".
std::string listed(const std::vector<std::string>& words, std::string_view last = "or");

// The word that `typed` was probably meant to be: the one that takes the fewest slips of the keyboard (a letter too
// many, too few, another one, or two in the wrong order); empty where each takes more than a third of its letters, the
// dashes of flags not among them.
std::string nearest(std::string_view typed, const std::vector<std::string>& words);

// "; did you mean X?" of the nearest word, or nothing.
std::string suggestion(std::string_view typed, const std::vector<std::string>& words);

}  // namespace saobp::io
