#include "saobp/io/json.h"

#include "saobp/io/file.h"

namespace saobp::io {

Json parse_json(std::string_view text, std::string_view source) {
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::parse_error& e) {
    size_t at = std::min(text.size(), e.byte > 0 ? e.byte - 1 : 0);
    auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    std::string reason = e.what();
    // The library's text repeats position and error number; keep what follows them.
    if (auto colon = reason.find(": ", reason.find("parse error")); colon != std::string::npos)
      reason = reason.substr(colon + 2);
    fail(source, ": line ", line, ": not valid JSON: ", reason);
  } catch (const nlohmann::json::exception& e) {  // numbers out of range
    const std::string reason = e.what();
    fail(source, ": not valid JSON: ", reason.substr(std::min(reason.size(), reason.find("] ") + 2)));
  }
}

Json read_json(const std::filesystem::path& path) { return parse_json(read_file(path), path.string()); }

void write_json(const std::filesystem::path& path, const Json& json) {
  // Replacing invalid UTF-8 keeps a strange file name from losing a whole run record.
  write_file(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string type_name(const Json& json) {
  if (json.is_null()) return "null";
  if (json.is_boolean()) return "a boolean";
  if (json.is_number_integer()) return "an integer";
  if (json.is_number()) return "a number";
  if (json.is_string()) return "a string";
  return json.is_array() ? "a list" : "an object";
}

}  // namespace saobp::io
