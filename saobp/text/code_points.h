#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "saobp/text/tokenizer.h"

namespace saobp::text {

// From bytes of a text (valid UTF-8) to its code points, and back.
class CodePoints {
 public:
  explicit CodePoints(std::string_view text) {
    if (std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<unsigned char>(byte) < 0x80; }))
      return;
    places_.resize(text.size() + 1);
    uint32_t count = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      places_[i] = count;
      if (i + 1 == text.size() || (static_cast<unsigned char>(text[i + 1]) & 0xC0) != 0x80) ++count;
    }
    places_[text.size()] = count;
    for (size_t i = 0; i < text.size(); ++i)
      if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) starts_.push_back(static_cast<uint32_t>(i));
    starts_.push_back(static_cast<uint32_t>(text.size()));
  }

  Span characters(Span bytes) const { return places_.empty() ? bytes : Span{places_[bytes.begin], places_[bytes.end]}; }
  Span bytes(Span characters) const {
    return starts_.empty() ? characters : Span{starts_[characters.begin], starts_[characters.end]};
  }

 private:
  std::vector<uint32_t> places_, starts_;  // empty where every byte is a code point
};

}  // namespace saobp::text
