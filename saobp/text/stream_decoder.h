// Ids that come one by one, as text that can be shown at once: always valid UTF-8, never a part of a character.
#pragma once

#include <string>
#include <vector>

#include "saobp/text/tokenizer.h"

namespace saobp::text {

class StreamDecoder {
 public:
  // `before` are the ids that the new ones continue; their text is not given again. Special tokens have no text.
  explicit StreamDecoder(const Tokenizer& tokenizer, const std::vector<int32_t>& before = {});

  // The text that `id` completes. What may still be a part of a character is held back.
  std::string push(int32_t id);
  // What was held back, with U+FFFD for bytes that became no character.
  std::string finish();

 private:
  std::string rest_of(size_t end, const std::string& text);

  const Tokenizer& tokenizer_;
  std::vector<int32_t> ids_;
  size_t given_ = 0;  // bytes of the text that were given
};

}  // namespace saobp::text
