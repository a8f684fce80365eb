#include "saobp/io/json.h"

#include <gtest/gtest.h>

#include "tests/tools.h"

namespace saobp::io {
namespace {

using tests::error_of;

std::string error(const std::string& text) {
  return error_of([&] { parse_json(text, "f.json"); });
}

std::string nested(size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

TEST(Json, IsReadAsTheLibraryReadsIt) {
  for (const char* text : {"null", "true", "-3", "18446744073709551615", "1.5e300", R"("\ud83d\ude00\u0000")", "[]",
                           "{}", R"([1, [2, {"a": []}], {}])", R"({"b": {"x": [1, 2]}, "a": null, "": "y"})"})
    EXPECT_EQ(parse_json(text, "f.json").dump(), Json::parse(text).dump());
}

TEST(Json, KeepsTheOrderOfKeysAndTheLastOfEqualOnes) {
  EXPECT_EQ(parse_json(R"({"b": 1, "a": [2], "b": {"c": 3}})", "f").dump(), R"({"b":{"c":3},"a":[2]})");
  // Many keys are looked up in another way than a few.
  std::string text;
  Json expected = Json::object();
  for (int i = 0; i < 100; ++i) {
    text += (i == 0 ? "{" : ",") + Json(std::to_string(i % 70)).dump() + ": " + std::to_string(i);
    expected[std::to_string(i % 70)] = i;
  }
  EXPECT_EQ(parse_json(text + "}", "f").dump(), expected.dump());
}

TEST(Json, SaysWhereItIsDamaged) {
  EXPECT_EQ(error("{\n\"a\": x}"),
            "f.json: line 2, byte offset 7 of 9: not valid JSON: syntax error while parsing value - invalid literal");
  EXPECT_NE(error("{\"a\": 1").find("byte offset 7 of 7"), std::string::npos) << error("{\"a\": 1");
  EXPECT_EQ(error("1e999"), "f.json: not valid JSON: number overflow parsing '1e999'");
}

// What is nested deeply enough overflows the stack where it is copied or written.
TEST(Json, RefusesWhatIsNestedTooDeeply) {
  EXPECT_EQ(parse_json(nested(512), "f.json").dump(), nested(512));
  EXPECT_EQ(error(nested(513)), "f.json: not valid JSON: nested deeper than 512 levels");
  EXPECT_EQ(error(std::string(1 << 20, '[')), "f.json: not valid JSON: nested deeper than 512 levels");
}

TEST(Json, NumbersAreTakenWholeOrRefused) {
  const Json json =
      parse_json(R"({"big": 18446744073709551615, "wide": 4294967296, "real": 1.5, "list": [1, 2.5], "no": -1,
                                   "flag": true})",
                 "f");
  EXPECT_EQ(require<uint64_t>(json, "big", "f"), UINT64_MAX);
  EXPECT_EQ(require<int64_t>(json, "wide", "f"), int64_t{1} << 32);
  EXPECT_EQ(
      error_of([&] { require<int64_t>(json, "big", "f"); }),
      "f: \"big\" is 18446744073709551615; an integer from -9223372036854775808 to 9223372036854775807 was expected");
  EXPECT_EQ(error_of([&] { require<int32_t>(json, "wide", "f"); }),
            "f: \"wide\" is 4294967296; an integer from -2147483648 to 2147483647 was expected");
  EXPECT_EQ(error_of([&] { require<uint64_t>(json, "no", "f"); }),
            "f: \"no\" is -1; an integer from 0 to 18446744073709551615 was expected");
  EXPECT_EQ(error_of([&] { require<int64_t>(json, "real", "f"); }), "f: \"real\" is a number; an integer was expected");
  EXPECT_EQ(error_of([&] { require<std::vector<int64_t>>(json, "list", "f"); }),
            "f: \"list\": an item is a number; an integer was expected");
  EXPECT_EQ(require<std::vector<double>>(json, "list", "f"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(error_of([&] { require<std::vector<double>>(json, "flag", "f"); }),
            "f: \"flag\" is a boolean; a list was expected");
  EXPECT_EQ(error_of([&] { require<double>(json, "flag", "f"); }), "f: \"flag\" is a boolean; a number was expected");
}

TEST(ErrorMessage, IsOneLineOfBoundedLength) {
  EXPECT_EQ(std::string(Error("a\nb\tc\x01\x7F \xFF é").what()), "a\\nb\\tc\\x01\\x7F \\xFF é");
  const std::string end = " was found; nothing was expected";
  const std::string message = Error("f.json: " + std::string(100000, 'x') + end).what();
  EXPECT_LT(message.size(), 2100u);
  EXPECT_TRUE(message.starts_with("f.json: xxx")) << message;
  EXPECT_TRUE(message.ends_with(end)) << message;
}

}  // namespace
}  // namespace saobp::io
