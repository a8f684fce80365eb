// Pictures of few colours as PNG (ISO/IEC 15948), by zlib.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace saobp::io {

using Palette = std::array<std::array<uint8_t, 3>, 256>;  // red, green, blue

// `pixels`, row by row, are places in the palette; there are width · height of them, at least one.
std::string png_of(std::span<const std::byte> pixels, uint32_t width, uint32_t height, const Palette& palette);

}  // namespace saobp::io
