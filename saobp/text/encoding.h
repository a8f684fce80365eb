// A text or a pair as a model takes it: special tokens around it, token types, spans, cut to a length, in windows where
// one of the texts is longer.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "saobp/text/post_processor.h"
#include "saobp/text/tokenizer.h"

namespace saobp::text {

// Which text loses tokens, from its end: the longer one token by token, or one of the two.
enum class Truncation { longest_first, only_first, only_second };

inline const std::vector<std::string>& enum_names(Truncation) {
  static const std::vector<std::string> names = {"longest_first", "only_first", "only_second"};
  return names;
}

struct RowOptions {
  bool special_tokens = true;
  int64_t max_length = 0;  // ids a row, special tokens included; 0: any number
  Truncation truncation = Truncation::longest_first;
  int64_t stride = 0;                 // tokens that two windows share
  int64_t most_rows = 0;              // so many of them, the first ones; 0: all
  const char* flag = "--max-length";  // what max_length is called in messages
  const char* stride_flag = "--stride";
};

// One row. Special tokens have the span 0, 0 and belong to no text.
struct Encoding {
  std::vector<int32_t> ids, types;
  std::vector<int8_t> texts;     // 0 or 1: the text that the token is of; −1: a special token
  std::vector<Span> characters;  // in code points of that text
  std::vector<Span> bytes;       // the same in bytes
};

// The row of a text, or of a pair; behind it, where it was cut, further windows over what was left out, each with
// `stride` tokens of the one before: all that the `tokenizers` package gives as overflowing, in its order. UsageError
// for a max_length that leaves no room for text, a stride that is not below that room, only_second without a second
// text, and a text that would have to be cut to nothing.
std::vector<Encoding> encode_rows(const Tokenizer& tokenizer, std::string_view first,
                                  std::optional<std::string_view> second, const RowOptions& options);

// The same with another row than the one that the tokenizer's post-processor makes.
std::vector<Encoding> encode_rows(const Tokenizer& tokenizer, std::string_view first,
                                  std::optional<std::string_view> second, const RowOptions& options,
                                  const PostProcessor::Template& row);

}  // namespace saobp::text
