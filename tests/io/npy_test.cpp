#include "saobp/io/npy.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/tools.h"

namespace saobp::io {
namespace {

std::string array(const std::string& header, const std::string& data) {
  std::string length(2, '\0');
  const auto size = static_cast<uint16_t>(header.size());
  std::memcpy(length.data(), &size, 2);
  return std::string("\x93NUMPY\x01\x00", 8) + length + header + data;
}

std::string header(const char* type, const char* shape) {
  return concat("{'descr': '", type, "', 'fortran_order': False, 'shape': ", shape, ", }\n");
}

std::string error(const std::string& bytes) {
  return tests::error_of([&] { parse_npy_integers(bytes, "f.npy"); });
}

TEST(Npy, IntegersAreRead) {
  const std::string two("\x01\0\0\0\xff\xff\xff\xff", 8);
  EXPECT_EQ(parse_npy_integers(array(header("<i4", "(2,)"), two), "f"), (std::vector<int64_t>{1, -1}));
  EXPECT_EQ(parse_npy_integers(array(header("<i8", "(1,)"), two), "f"), (std::vector<int64_t>{1 - (int64_t{1} << 32)}));
  EXPECT_EQ(parse_npy_integers(array(header("<i8", "(0,)"), ""), "f"), std::vector<int64_t>{});
}

TEST(Npy, WhatIsNoFlatArrayOfIntegersIsRefused) {
  EXPECT_EQ(error("1 2 3"), "f.npy: is no .npy file: it does not begin with \\x93NUMPY and a version");
  EXPECT_EQ(error(array("{}", "")), "f.npy: its header has no descr");
  EXPECT_EQ(error(array(header("<f4", "(1,)"), "1234")), "f.npy: its element type is not <i4 or <i8 (int32, int64)");
  for (const char* shape : {"()", "(1, 1)", "1", "(", "(-1,)", "(99999999999999999999,)"})
    EXPECT_EQ(error(array(header("<i4", shape), "1234")), "f.npy: its shape has other than one dimension") << shape;
  EXPECT_EQ(error(array(header("<i4", "(3,)"), "12345678")),
            "f.npy: 3 numbers of 4 bytes were expected behind the header, 8 bytes were found");
  EXPECT_EQ(error(array(header("<i4", "(4611686018427387904,)"), "1234")),
            "f.npy: 4,611,686,018,427,387,904 numbers of 4 bytes were expected behind the header, 4 bytes were found");
}

TEST(Npy, ATruncatedHeaderIsNamed) {
  const auto whole = array(header("<i4", "(1,)"), "1234");
  EXPECT_EQ(error(whole.substr(0, 20)), "f.npy: truncated: its header ends at byte 68, the file at 20");
  for (size_t size = 6; size < whole.size(); ++size) EXPECT_NE(error(whole.substr(0, size)), "") << size;
}

}  // namespace
}  // namespace saobp::io
