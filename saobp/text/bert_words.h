// BertPreTokenizer: words are parted by white space, and each punctuation character is one by itself.
#pragma once

#include <array>
#include <string_view>

#include "saobp/text/unicode.h"
#include "saobp/text/utf8.h"

namespace saobp::text {

// The class of a byte; bytes of other scripts' characters have `wide`.
enum class ByteClass : uint8_t { word, space, punctuation, wide };
inline const std::array<ByteClass, 256> kBertBytes = [] {
  std::array<ByteClass, 256> classes;
  for (char32_t b = 0; b < 256; ++b) classes[b] = b < 0x80 ? static_cast<ByteClass>(bert_class(b)) : ByteClass::wide;
  return classes;
}();

// Calls on_word(std::string_view) for each.
template <class OnWord>
void split_bert_words(std::string_view text, OnWord&& on_word) {
  const char *at = text.data(), *end = at + text.size(), *start = at;
  while (at < end) {
    ByteClass kind = kBertBytes[static_cast<uint8_t>(*at)];
    int length = 1;
    if (kind == ByteClass::word) {
      ++at;
      continue;
    }
    if (kind == ByteClass::wide) {
      kind = static_cast<ByteClass>(bert_classes()[decode_utf8(at, length)]);
      if (kind == ByteClass::word) {
        at += length;
        continue;
      }
    }
    if (start < at) on_word(std::string_view(start, static_cast<size_t>(at - start)));
    if (kind == ByteClass::punctuation) on_word(std::string_view(at, static_cast<size_t>(length)));
    start = at += length;
  }
  if (start < end) on_word(std::string_view(start, static_cast<size_t>(end - start)));
}

}  // namespace saobp::text
