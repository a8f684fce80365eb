#include "saobp/io/png.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <numeric>

#include "saobp/io/base64.h"
#include "saobp/io/error.h"

namespace saobp::io {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> out;
  out.reserve(text.size());
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
  return out;
}

TEST(Base64, ThereAndBack) {
  // RFC 4648, section 10.
  const std::vector<std::pair<std::string, std::string>> known = {{"", ""},
                                                                  {"f", "Zg=="},
                                                                  {"fo", "Zm8="},
                                                                  {"foo", "Zm9v"},
                                                                  {"foob", "Zm9vYg=="},
                                                                  {"fooba", "Zm9vYmE="},
                                                                  {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : known) {
    EXPECT_EQ(base64(bytes_of(plain)), text);
    EXPECT_EQ(from_base64(text, "s"), bytes_of(plain));
  }
  std::vector<std::byte> all(256);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::byte>(i);
  EXPECT_EQ(from_base64(base64(all), "s"), all);
  for (const char* wrong : {"Zg=", "Zg", "Z===", "Zm9=Zm9v", "Zm-v", "====", "Zm9v\n"})
    EXPECT_THROW(from_base64(wrong, "the source"), Error) << wrong;
}

TEST(Png, IsWhatTheStandardSays) {
  Palette palette{};
  for (size_t i = 0; i < 256; ++i) palette[i] = {static_cast<uint8_t>(i), 0, 7};
  const auto pixels = bytes_of(std::string("\x01\x02\x03\x04\x05\x06", 6));
  const auto png = png_of(pixels, 3, 2, palette);
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  const auto number = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(png[at + i]);
    return value;
  };
  std::string types, data;
  for (size_t at = 8; at < png.size();) {
    const uint32_t size = number(at);
    const auto type = png.substr(at + 4, 4);
    types += type + " ";
    const auto* body = reinterpret_cast<const Bytef*>(png.data() + at + 4);
    EXPECT_EQ(number(at + 8 + size), ::crc32(0, body, size + 4)) << type;
    if (type == "IHDR") {
      EXPECT_EQ(number(at + 8), 3u);
      EXPECT_EQ(number(at + 12), 2u);
      EXPECT_EQ(png.substr(at + 16, 5), std::string("\x08\x03\x00\x00\x00", 5));
    }
    if (type == "PLTE") {
      EXPECT_EQ(png.substr(at + 8 + 3 * 5, 3), std::string("\x05\x00\x07", 3));
    }
    if (type == "IDAT") {
      data.resize(8);
      uLongf held = data.size();
      ASSERT_EQ(::uncompress(reinterpret_cast<Bytef*>(data.data()), &held, body + 4, size), Z_OK);
      EXPECT_EQ(held, 8u);
    }
    at += 12 + size;
  }
  EXPECT_EQ(types, "IHDR PLTE IDAT IEND ");
  EXPECT_EQ(data, std::string("\x00\x01\x02\x03\x00\x04\x05\x06", 8));
  EXPECT_THROW(png_of(pixels, 2, 2, palette), Error);
  EXPECT_THROW(png_of({}, 0, 0, palette), Error);
}

}  // namespace
}  // namespace saobp::io
