#include "saobp/io/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "saobp/io/error.h"

namespace saobp::io {

std::string base64(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) group = group << 8 | (i < count ? std::to_integer<uint32_t>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i) text += i <= count ? kDigits[group >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

std::vector<std::byte> from_base64(std::string_view text, const std::string& source) {
  static const std::array<int8_t, 256> values = [] {
    std::array<int8_t, 256> found;
    found.fill(-1);
    const std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < alphabet.size(); ++i) found[static_cast<uint8_t>(alphabet[i])] = static_cast<int8_t>(i);
    return found;
  }();
  if (text.size() % 4 != 0) fail(source, ": ", text.size(), " letters of base64; a multiple of four was expected");
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (size_t at = 0; at < text.size(); at += 4) {
    uint32_t group = 0;
    const size_t letters = at + 4 == text.size() ? 4 - padding : 4;
    for (size_t i = 0; i < letters; ++i) {
      const int8_t value = values[static_cast<uint8_t>(text[at + i])];
      if (value < 0) fail(source, ": letter ", at + i + 1, " is none of base64's");
      group |= static_cast<uint32_t>(value) << (18 - 6 * i);
    }
    for (size_t i = 0; i + 1 < letters; ++i) bytes.push_back(static_cast<std::byte>((group >> (16 - 8 * i)) & 0xFF));
  }
  return bytes;
}

}  // namespace saobp::io
