// JSON lines: every line of a file is an object that holds a document's text.
#pragma once

#include <string>
#include <string_view>

#include "saobp/data/text_blocks.h"

namespace saobp::data {

// The string under `field` in the object that `line` is, a part of the block. Error with file and line when it is no
// object, or has no such field, or has something else than a string there.
std::string text_of_json_line(std::string_view line, const TextBlock& block, const std::string& field);

}  // namespace saobp::data
