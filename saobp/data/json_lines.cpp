#include "saobp/data/json_lines.h"

#include "saobp/io/json.h"

namespace saobp::data {
namespace {

std::string where(std::string_view line, const TextBlock& block) {
  return concat(block.source, ": line ", block.line_of(line), ": ");
}

// "a", "b", "c": the fields that an object has, as many as fit a message.
std::string names_of_fields(const io::Json& object) {
  constexpr size_t kMost = 8;
  std::string names;
  size_t count = 0;
  for (const auto& [name, value] : object.items()) {
    if (count++ == kMost) return names + ", …";
    names += concat(names.empty() ? "" : ", ", '"', name, '"');
  }
  return names.empty() ? "no other either" : names;
}

io::Json parse_line(std::string_view line, const TextBlock& block) {
  try {
    return io::Json::parse(line);
  } catch (const nlohmann::json::parse_error& e) {
    // What the library has read so far may be as long as the line, so it is not repeated: the column leads there.
    std::string reason = e.what();
    if (auto start = reason.find("parsing "); start != std::string::npos) reason = reason.substr(start);
    reason = reason.substr(0, reason.find("; last read"));
    fail(where(line, block), "column ", e.byte, ": not valid JSON: ", reason);
  } catch (const nlohmann::json::exception& e) {  // a number out of range
    const std::string reason = e.what();
    fail(where(line, block), "not valid JSON: ", reason.substr(std::min(reason.size(), reason.find("] ") + 2)));
  }
}

}  // namespace

std::string text_of_json_line(std::string_view line, const TextBlock& block, const std::string& field) {
  io::Json object = parse_line(line, block);
  if (!object.is_object()) fail(where(line, block), "is ", io::type_name(object), "; a JSON object was expected");
  const auto found = object.find(field);
  if (found == object.end())
    fail(where(line, block), "there is no field \"", field, "\" but ", names_of_fields(object),
         "; --text-field names the one that holds the text");
  if (!found->is_string())
    fail(where(line, block), "the field \"", field, "\" is ", io::type_name(*found), "; a string was expected");
  return std::move(found->get_ref<std::string&>());
}

}  // namespace saobp::data
