// Code points in and out of UTF-8 that is already known to be valid.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace saobp::text {

// Bytes of the sequence that starts with `lead`.
inline int utf8_length(unsigned char lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

// The code point at `at`; `length` receives its bytes.
inline char32_t decode_utf8(const char* at, int& length) {
  const auto* s = reinterpret_cast<const unsigned char*>(at);
  length = utf8_length(s[0]);
  switch (length) {
    case 1:
      return s[0];
    case 2:
      return (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
    case 3:
      return (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    default:
      return (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
  }
}

// The code point that ends just before `end`; there must be one.
inline char32_t decode_utf8_before(const char* end) {
  do --end;
  while ((static_cast<unsigned char>(*end) & 0xC0) == 0x80);
  int length;
  return decode_utf8(end, length);
}

inline void append_utf8(std::string& out, char32_t c) {
  auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

inline std::string to_utf8(char32_t c) {
  std::string out;
  append_utf8(out, c);
  return out;
}

}  // namespace saobp::text
