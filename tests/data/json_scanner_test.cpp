#include "saobp/data/json_scanner.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace saobp::data {
namespace {

std::string fault_of(std::string_view json) {
  try {
    find_json_field(json, "text");
    return "none";
  } catch (const JsonFault& fault) {
    return std::to_string(fault.at) + ": " + fault.reason;
  }
}

TEST(JsonScanner, FindsTheFieldAmongWhatOtherWritersEmit) {
  for (const char* rest :
       {R"("n": NaN)", R"("n": [Infinity, -Infinity])", R"("n": 1e999, "m": -123456789012345678901234567890)",
        R"("n": "\ud800", "m": ["\udc00\ud800"])", R"("n": 1, "n": 2)", R"("\ud800": 1)",
        R"("n": {"text": "not this one"}, "m": [{"text": 1}])", R"("n" : [ ] , "m":{ } )"}) {
    const std::string first = std::string("{\"text\": \"found\", ") + rest + "}",
                      last = std::string(" {") + rest + ", \"text\" : \"found\"}\r";
    EXPECT_EQ(find_json_field(first, "text").text, "found") << first;
    EXPECT_EQ(find_json_field(last, "text").text, "found") << last;
  }
  EXPECT_EQ(find_json_field("\xEF\xBB\xBF{\"text\": \"behind a mark\"}", "text").text, "behind a mark");
  EXPECT_EQ(find_json_field(R"({"t\u0065xt": "a\u0000b\ud83d\ude00\"\\\/\b\f\n\r\t"})", "text").text,
            std::string("a\0b\xF0\x9F\x98\x80\"\\/\b\f\n\r\t", 15));
}

TEST(JsonScanner, SaysWhatIsThereInstead) {
  EXPECT_EQ(find_json_field("[1, 2]", "text").type, "a list");
  EXPECT_EQ(find_json_field(" 7 ", "text").type, "a number");
  for (const auto& [value, type] :
       {std::pair{"null", "null"}, {"[]", "a list"}, {"{}", "an object"}, {"true", "a boolean"}, {"NaN", "a number"}}) {
    const auto found = find_json_field(std::string("{\"id\": 1, \"text\": ") + value + "}", "text");
    EXPECT_EQ(found.found, type);
    EXPECT_FALSE(found.text);
    EXPECT_EQ(found.names, (std::vector<std::string>{"id", "text"}));
  }
  EXPECT_EQ(find_json_field("{}", "text").found, "");
}

TEST(JsonScanner, RefusesWhatIsNoJson) {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "{\"a\"}",
                          "{\"a\": }",
                          "{\"a\": 1,}",
                          "{a: 1}",
                          "{'a': 1}",
                          "[1 2]",
                          "[1,]",
                          "{\"a\": 01}",
                          "{\"a\": +1}",
                          "{\"a\": .5}",
                          "{\"a\": 1.}",
                          "{\"a\": 1e}",
                          "{\"a\": nul}",
                          "{\"a\": None}",
                          "{\"a\": \"\\x\"}",
                          "{\"a\": \"\\u12g4\"}",
                          "{\"a\": \"\t\"}",
                          "{} {}",
                          "{\"a\": 1}}",
                          "\"a"})
    EXPECT_NE(fault_of(bad), "none") << bad;
  EXPECT_EQ(fault_of(R"({"text": "a", "text": "a"})"), "21: the field stands there twice");
  EXPECT_EQ(fault_of(R"({"text": "ab\udc00"})"), "12: half of a surrogate pair, which is no character");
  EXPECT_EQ(fault_of(std::string(100000, '[')), "1000: nested too deeply");
  EXPECT_EQ(fault_of("{\"a\": " + std::string(900, '[') + std::string(900, ']') + "}"), "none");
}

// Against a parser that makes the whole tree: every prefix of a line, and lines with one byte changed.
TEST(JsonScanner, AgreesWithAParser) {
  const std::string line =
      R"({"id": -12.5e+3, "tags": ["a", {"b": [null, true, false]}, ""], "text": "x \u00e9\n\ud83d\ude00", "z": {}})";
  auto compare = [](const std::string& text) {
    const auto tree = nlohmann::json::parse(text, nullptr, false);
    const bool sound = fault_of(text) == "none";
    EXPECT_EQ(sound, !tree.is_discarded()) << text;
    if (!sound || tree.is_discarded() || !tree.is_object() || !tree.contains("text")) return;
    EXPECT_EQ(find_json_field(text, "text").text.value_or("-"),
              tree["text"].is_string() ? tree["text"].get<std::string>() : "-");
  };
  for (size_t size = 0; size <= line.size(); ++size) compare(line.substr(0, size));
  for (size_t at = 0; at < line.size(); ++at)
    for (const char byte : {'"', '\\', '{', '}', ',', ':', '0', 'e', ' ', '\x01', '-'}) {
      std::string changed = line;
      changed[at] = byte;
      compare(changed);
    }
}

}  // namespace
}  // namespace saobp::data
