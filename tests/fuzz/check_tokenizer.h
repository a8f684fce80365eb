// The promises of any tokenizer that was loaded.
#pragma once

#include <string_view>

#include "saobp/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace saobp::fuzz {

// Writes the tokenizer, reads it again, and holds both against `text`, which need not be UTF-8.
void check_tokenizer(const text::Tokenizer& tokenizer, std::string_view text, const Folder& folder);

}  // namespace saobp::fuzz
