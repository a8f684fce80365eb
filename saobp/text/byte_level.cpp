#include "saobp/text/byte_level.h"

#include <vector>

namespace saobp::text {
namespace {

struct ByteAlphabet {
  std::array<std::string, 256> characters;
  std::array<int16_t, 512> bytes;  // of the code points below 512; −1 for none
  ByteAlphabet() {
    bytes.fill(-1);
    char32_t next = 256;
    for (char32_t b = 0; b < 256; ++b) {
      bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      char32_t c = printable ? b : next++;
      characters[b] = to_utf8(c);
      bytes[c] = static_cast<int16_t>(b);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet instance;
  return instance;
}

const std::array<PatternClass, 128> kAscii = [] {
  std::array<PatternClass, 128> classes;
  for (char32_t b = 0; b < 128; ++b) classes[b] = pattern_class(b);
  return classes;
}();

PatternClass class_at(const char* at, int& length) {
  auto byte = static_cast<uint8_t>(*at);
  if (byte < 0x80) {
    length = 1;
    return kAscii[byte];
  }
  return pattern_classes()[decode_utf8(at, length)];
}

// The length of 's, 't, 're, 've, 'm, 'll or 'd at the front, or 0.
size_t contraction(std::string_view text) {
  if (text.size() < 2) return 0;
  char a = text[1], b = text.size() > 2 ? text[2] : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

// The number of bytes of a well-formed sequence at the front, or minus those of the maximal ill-formed part.
int sequence_length(std::string_view bytes) {
  auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : uint8_t{0}; };
  uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  int wanted = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  if (wanted == 0) return -1;
  uint8_t low = lead == 0xE0   ? 0xA0
                : lead == 0xF0 ? 0x90
                               : 0x80,
          high = lead == 0xED   ? 0x9F
                 : lead == 0xF4 ? 0x8F
                                : 0xBF;
  if (byte(1) < low || byte(1) > high) return -1;
  for (int i = 2; i < wanted; ++i)
    if ((byte(static_cast<size_t>(i)) & 0xC0) != 0x80) return -i;
  return wanted;
}

}  // namespace

const std::string& byte_character(uint8_t byte) { return alphabet().characters[byte]; }

std::optional<std::string> spelt_bytes(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    int length;
    char32_t c = decode_utf8(token.data() + at, length);
    if (c >= 512 || alphabet().bytes[c] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(alphabet().bytes[c]));
    at += static_cast<size_t>(length);
  }
  return bytes;
}

std::string lossy_utf8(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    int length = sequence_length(bytes);
    if (length > 0)
      text += bytes.substr(0, static_cast<size_t>(length));
    else
      text += "\uFFFD", length = -length;
    bytes.remove_prefix(static_cast<size_t>(length));
  }
  return text;
}

size_t gpt2_piece(std::string_view text) {
  const char *at = text.data(), *end = at + text.size();
  if (*at == '\'')
    if (size_t length = contraction(text)) return length;
  int length;
  PatternClass kind = class_at(at, length);
  if (*at == ' ' && text.size() > 1) {
    // One space may stand before a run of anything but white space.
    ++at;
    kind = class_at(at, length);
    if (kind == PatternClass::space) --at, length = 1;
  }
  at += length;
  int last = length;
  while (at < end && class_at(at, length) == kind) at += last = length;
  // A run of white space leaves its last character to what follows, if anything does and the run is longer.
  auto size = static_cast<size_t>(at - text.data());
  if (kind == PatternClass::space && at < end && size > static_cast<size_t>(last)) size -= static_cast<size_t>(last);
  return size;
}

bool continues_word(std::string_view token, bool byte_level) {
  if (!byte_level) return token.starts_with("##");
  const auto bytes = spelt_bytes(token);
  return !bytes || bytes->empty() || std::string_view(" \t\n\v\f\r").find(bytes->front()) == std::string_view::npos;
}

}  // namespace saobp::text
