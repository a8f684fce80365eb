#include "saobp/io/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "saobp/io/error.h"

namespace saobp::io {
namespace {

class SafetensorsTest : public testing::Test {
 protected:
  fs::path path_ = fs::path(testing::TempDir()) / "weights.safetensors";

  void write_raw(const std::string& header, const std::string& data) {
    uint64_t length = header.size();
    std::string all(8, '\0');
    std::memcpy(all.data(), &length, 8);
    write_file(path_, all + header + data);
  }
  std::string error() {
    try {
      SafetensorsFile file(path_);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
};

TEST_F(SafetensorsTest, GivesBackWhatWasWritten) {
  std::vector<float> values = {1.5f, -2.0f, 3.25f, 0.0f, 7.0f, 9.0f};
  int64_t scalar = 42;
  write_safetensors(path_,
                    {{"a.weight", {"F32", {2, 3}, std::as_bytes(std::span(values))}},
                     {"b", {"I64", {}, std::as_bytes(std::span(&scalar, 1))}},
                     {"empty", {"F32", {0, 4}, {}}}},
                    {{"format", "pt"}});
  SafetensorsFile file(path_);
  ASSERT_EQ(file.tensors().size(), 3u);
  const auto& a = file.tensors().at("a.weight");
  EXPECT_EQ(a.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(0, std::memcmp(a.bytes.data(), values.data(), sizeof(float) * values.size()));
  EXPECT_EQ(file.tensors().at("b").bytes.size(), 8u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST_F(SafetensorsTest, RefusesATruncatedFile) {
  std::vector<float> values(64);
  write_safetensors(path_, {{"w", {"F32", {64}, std::as_bytes(std::span(values))}}}, {});
  auto whole = read_file(path_);
  write_file(path_, whole.substr(0, whole.size() - 5));
  EXPECT_NE(error().find("tensor w: its data lie outside of the file"), std::string::npos) << error();
  write_file(path_, whole.substr(0, 20));
  EXPECT_NE(error().find("its header claims"), std::string::npos) << error();
  write_file(path_, whole.substr(0, 3));
  EXPECT_NE(error().find("3 bytes, at least 8"), std::string::npos) << error();
}

TEST_F(SafetensorsTest, RefusesAHeaderThatLies) {
  write_raw(R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[0,8]}})", std::string(8, 'x'));
  EXPECT_NE(error().find("needs 16 bytes, the header gives it 8"), std::string::npos) << error();
  write_raw(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", std::string(12, 'x'));
  EXPECT_NE(error().find("12 bytes of data, but the header describes 8"), std::string::npos) << error();
  write_raw(
      R"({"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      std::string(12, 'x'));
  EXPECT_NE(error().find("overlap"), std::string::npos) << error();
  write_raw(R"({"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", "");
  EXPECT_NE(error().find("needs -1 bytes"), std::string::npos) << error();
  write_raw(R"({"w":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}})", std::string(8, 'x'));
  EXPECT_NE(error().find("\"Q4\" is not supported"), std::string::npos) << error();
  write_raw(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,1e30]}})", std::string(8, 'x'));
  EXPECT_NE(error().find("tensor w: \"data_offsets\" holds 1e+30; whole numbers were expected"), std::string::npos)
      << error();
  write_raw("[1]", "");
  EXPECT_NE(error().find("header is a list"), std::string::npos) << error();
  write_raw("{\"w\":", "");
  EXPECT_NE(error().find("not valid JSON"), std::string::npos) << error();
}

}  // namespace
}  // namespace saobp::io
