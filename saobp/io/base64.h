// Bytes as text (RFC 4648, with padding), and back.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace saobp::io {

std::string base64(std::span<const std::byte> bytes);

// Error naming `source` for a letter that is none of the alphabet, a length that is not a multiple of four, or padding
// in the middle.
std::vector<std::byte> from_base64(std::string_view text, const std::string& source);

}  // namespace saobp::io
