#include "saobp/io/words.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace saobp::io {
namespace {

// The distance of Damerau and Levenshtein in which no piece is changed twice.
size_t slips(std::string_view from, std::string_view to) {
  std::vector<std::vector<size_t>> rows(from.size() + 1, std::vector<size_t>(to.size() + 1));
  for (size_t i = 0; i <= from.size(); ++i) rows[i][0] = i;
  for (size_t j = 0; j <= to.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= from.size(); ++i)
    for (size_t j = 1; j <= to.size(); ++j) {
      const size_t other = rows[i - 1][j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, other});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  return rows.back().back();
}

std::string printed(const char* pattern, auto... values) {
  char text[80];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

}  // namespace

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  const int first = value < 0 ? 1 : 0;
  for (int at = static_cast<int>(digits.size()) - 3; at > first; at -= 3) digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

int64_t code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

std::string padded(std::string_view text, size_t columns, bool right) {
  const std::string blanks(columns - std::min(columns, static_cast<size_t>(code_points(text))), ' ');
  return right ? concat(blanks, text) : concat(text, blanks);
}

std::string first_code_points(std::string_view text, size_t most) {
  size_t at = 0;
  for (size_t count = 0; at < text.size(); ++at)
    if ((text[at] & 0xC0) != 0x80 && count++ == most) break;
  return std::string(text.substr(0, at));
}

std::string in_short(double value) {
  if (value == 0 || !std::isfinite(value)) return concat(value);
  const int before = static_cast<int>(std::floor(std::log10(std::abs(value)))) + 1;  // digits before the point
  std::string text = printed("%.*f", std::clamp(3 - before, 0, 12), value);
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string size_in_words(double bytes) {
  if (bytes < 1000) return counted(static_cast<int64_t>(bytes), "byte");
  const char* units[] = {"kB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (bytes /= 1000; bytes >= 999.5 && unit + 1 < std::size(units); bytes /= 1000) ++unit;
  return in_short(bytes) + " " + units[unit];
}

std::string time_in_words(double seconds) {
  if (seconds < 59.95) return in_short(seconds) + " s";
  const auto s = std::llround(seconds);
  if (s >= 3600) return printed("%lld h %02lld min", s / 3600, s / 60 % 60);
  return printed("%lld min %02lld s", s / 60, s % 60);
}

std::string listed(const std::vector<std::string>& words, std::string_view last) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? concat(" ", last, " ") : ", ";
    out += words[i];
  }
  return out;
}

std::string nearest(std::string_view typed, const std::vector<std::string>& words) {
  constexpr size_t kLongest = 100;  // longer ones are no slip
  std::string best;
  size_t least = ~size_t{0};
  if (typed.size() > kLongest) return best;
  const auto letters = [](std::string_view word) {
    return word.substr(std::min(word.size(), word.find_first_not_of('-')));
  };
  for (const auto& word : words) {
    const size_t distance = slips(typed, word);
    if (distance < least && 3 * distance <= std::max(letters(typed).size(), letters(word).size()))
      least = distance, best = word;
  }
  return best;
}

std::string suggestion(std::string_view typed, const std::vector<std::string>& words) {
  const auto word = nearest(typed, words);
  return word.empty() ? "" : concat("; did you mean ", word, "?");
}

}  // namespace saobp::io
