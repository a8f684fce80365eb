#include "saobp/io/png.h"

#include <zlib.h>

#include <vector>

#include "saobp/io/error.h"

namespace saobp::io {
namespace {

void append_number(std::string& out, uint32_t value) {  // the most significant byte first
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xFF);
}

void append_chunk(std::string& out, const std::string& type, const std::string& data) {
  append_number(out, static_cast<uint32_t>(data.size()));
  const std::string body = type + data;
  out += body;
  append_number(out, static_cast<uint32_t>(
                         ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}

std::string compressed(const std::string& data) {
  std::vector<Bytef> out(::compressBound(data.size()));
  uLongf size = out.size();
  if (::compress2(out.data(), &size, reinterpret_cast<const Bytef*>(data.data()), data.size(), Z_BEST_COMPRESSION) !=
      Z_OK)
    fail("a picture of ", data.size(), " bytes could not be compressed");
  return {reinterpret_cast<const char*>(out.data()), size};
}

}  // namespace

std::string png_of(std::span<const std::byte> pixels, uint32_t width, uint32_t height, const Palette& palette) {
  if (width == 0 || height == 0 || pixels.size() != size_t{width} * height)
    fail("a picture of ", width, " by ", height, " has ", pixels.size(), " pixels");
  std::string header, colours, rows;
  append_number(header, width);
  append_number(header, height);
  header += std::string("\x08\x03\x00\x00\x00", 5);  // 8 bits, of a palette; deflate, adaptive filters, not interlaced
  for (const auto& colour : palette) colours.append(colour.begin(), colour.end());
  for (uint32_t row = 0; row < height; ++row) {
    rows += '\0';  // no filter
    rows.append(reinterpret_cast<const char*>(pixels.data()) + size_t{row} * width, width);
  }
  std::string out = "\x89PNG\r\n\x1a\n";
  append_chunk(out, "IHDR", header);
  append_chunk(out, "PLTE", colours);
  append_chunk(out, "IDAT", compressed(rows));
  append_chunk(out, "IEND", "");
  return out;
}

}  // namespace saobp::io
