// Text that is a number and nothing else.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace saobp::io {

// The number that is all of `text`, in decimal; nothing where it is none, or does not fit the type.
template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace saobp::io
