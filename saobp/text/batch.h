// Many documents at once: every line is one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/text/tokenizer.h"

namespace saobp::text {

struct EncodedLines {
  std::vector<int32_t> ids;   // of all lines, one after the other, without special tokens
  std::vector<int64_t> ends;  // of line i in `ids`; it starts where line i − 1 ends
  std::vector<Span> spans;    // of each id in its line, in code points, where they are wanted
};

// Lines are parted by "\n" only (a "\r" belongs to its line); an empty one after the last "\n" is none. The result does
// not depend on `threads`. `text` must be valid UTF-8; a caller that wants the line in the message checks it before.
EncodedLines encode_lines(const Tokenizer& tokenizer, std::string_view text, int threads, bool spans = false);

// The same of documents that may hold line ends.
EncodedLines encode_documents(const Tokenizer& tokenizer, const std::vector<std::string>& documents, int threads,
                              bool spans = false);

}  // namespace saobp::text
