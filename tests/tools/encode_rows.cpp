// encode_rows TOKENIZER: rows of the texts and pairs that come as JSON lines on standard input, a JSON line each; null
// where the settings are refused. So that tests/golden/encodings_parity_test.py need not start a program for each.
#include <iostream>

#include "saobp/io/fields.h"
#include "saobp/text/encoding.h"

using namespace saobp;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto pairs = [](const std::vector<text::Span>& spans) {
    auto json = io::Json::array();
    for (const auto& span : spans) json.push_back({span.begin, span.end});
    return json;
  };
  try {
    const auto tokenizer = text::load_tokenizer(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      const auto given = io::parse_json(line, "stdin");
      text::RowOptions options;
      options.special_tokens = given.value("special_tokens", true);
      options.max_length = given.value("max_length", int64_t{0}), options.stride = given.value("stride", int64_t{0});
      options.truncation = io::parse_enum<text::Truncation>(given.value("truncation", "longest_first"), "truncation");
      const auto text = given.at("text").get<std::string>(), pair = given.value("pair", "");
      auto rows = io::Json::array();
      try {
        const auto second = given.contains("pair") ? std::optional<std::string_view>(pair) : std::nullopt;
        for (const auto& row : text::encode_rows(*tokenizer, text, second, options))
          rows.push_back({{"ids", row.ids},
                          {"type_ids", row.types},
                          {"offsets", pairs(row.characters)},
                          {"bytes", pairs(row.bytes)},
                          {"texts", row.texts}});
      } catch (const UsageError&) {
        rows = nullptr;
      }
      std::cout << rows.dump() << "\n";
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
