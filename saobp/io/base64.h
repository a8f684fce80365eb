// Bytes as text (RFC 4648, with padding).
#pragma once

#include <span>
#include <string>

namespace saobp::io {

std::string base64(std::span<const std::byte> bytes);

}  // namespace saobp::io
