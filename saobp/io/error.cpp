#include "saobp/io/error.h"

#include <cstdio>

#include "saobp/io/file.h"

namespace saobp {
namespace {

// The middle of a longer message is left out: its ends say where and what was expected.
constexpr size_t kLongest = 2000, kKeptAtEnd = 500;

bool inside_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

std::string shortened(const std::string& text) {
  if (text.size() <= kLongest) return text;
  size_t head = kLongest - kKeptAtEnd, tail = text.size() - kKeptAtEnd;
  while (head > 0 && inside_character(text[head])) --head;
  while (tail < text.size() && inside_character(text[tail])) ++tail;
  return text.substr(0, head) + " … " + text.substr(tail);
}

std::string one_line(const std::string& text) {
  std::string line;
  for (size_t at = 0; at < text.size();) {
    const size_t length = io::utf8_sequence(std::string_view(text).substr(at));
    const auto byte = static_cast<unsigned char>(text[at]);
    if (length > 0 && byte >= 0x20 && byte != 0x7F) {
      line.append(text, at, length);
    } else if (byte == '\n' || byte == '\r' || byte == '\t') {
      line += byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t";
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02X", byte);
      line += escape;
    }
    at += length > 0 ? length : 1;
  }
  return line;
}

}  // namespace

Error::Error(const std::string& message) : std::runtime_error(shortened(one_line(message))) {}

}  // namespace saobp
