#include "saobp/text/stream_decoder.h"

#include <string_view>

namespace saobp::text {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, const std::vector<int32_t>& before)
    : tokenizer_(tokenizer), ids_(before), given_(tokenizer.decode(before, /*skip_special=*/true).size()) {}

// Decoding all ids anew keeps spaces between words right whatever the tokenizer; a text of a thousand tokens takes
// microseconds.
std::string StreamDecoder::push(int32_t id) {
  ids_.push_back(id);
  const std::string text = tokenizer_.decode(ids_, /*skip_special=*/true);
  // A decoder writes U+FFFD for a sequence that is not complete, or never will be.
  constexpr std::string_view replacement = "\uFFFD";
  std::string_view whole = text;
  while (whole.ends_with(replacement)) whole.remove_suffix(replacement.size());
  return rest_of(whole.size(), text);
}

std::string StreamDecoder::finish() {
  const std::string text = tokenizer_.decode(ids_, /*skip_special=*/true);
  return rest_of(text.size(), text);
}

std::string StreamDecoder::rest_of(size_t end, const std::string& text) {
  if (end <= given_) return "";
  const size_t begin = given_;
  given_ = end;
  return text.substr(begin, end - begin);
}

}  // namespace saobp::text
