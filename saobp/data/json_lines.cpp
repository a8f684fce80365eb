#include "saobp/data/json_lines.h"

#include "saobp/data/json_scanner.h"
#include "saobp/io/error.h"

namespace saobp::data {
namespace {

// "a", "b", "c": the fields that an object has, as many as fit a message.
std::string listed(const std::vector<std::string>& fields) {
  constexpr size_t kMost = 8;
  std::string names;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i == kMost) return names + ", …";
    names += concat(names.empty() ? "" : ", ", '"', fields[i], '"');
  }
  return names.empty() ? "no other either" : names;
}

}  // namespace

std::string text_of_json_line(std::string_view line, const TextBlock& block, const std::string& field) {
  const auto where = [&] { return concat(block.source, ": line ", block.line_of(line), ": "); };
  JsonField found;
  try {
    found = find_json_field(line, field);
  } catch (const JsonFault& fault) {
    fail(where(), "column ", fault.at + 1, ": not valid JSON: ", fault.reason);
  }
  if (found.type != "an object") fail(where(), "is ", found.type, "; a JSON object was expected");
  if (found.found.empty())
    fail(where(), "there is no field \"", field, "\" but ", listed(found.names),
         "; --text-field names the one that holds the text");
  if (!found.text) fail(where(), "the field \"", field, "\" is ", found.found, "; a string was expected");
  return *std::move(found.text);
}

}  // namespace saobp::data
