// JSON with errors that name the file and the key. Objects keep the order of insertion, so that files read well.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "saobp/io/error.h"

namespace saobp::io {

using Json = nlohmann::ordered_json;

// `source` is what messages call the text. Error with line and column when it is not JSON.
Json parse_json(std::string_view text, std::string_view source);
Json read_json(const std::filesystem::path& path);
// Indented by one space a level, ends with a newline; written aside and renamed.
void write_json(const std::filesystem::path& path, const Json& json);

// A word for the type of a value, for messages: "a number", "null" …
std::string type_name(const Json& json);

// json[key] as a T; Error naming `source` and the key when it is missing or of another type.
template <class T>
T require(const Json& json, const std::string& key, std::string_view source) {
  if (!json.is_object() || !json.contains(key)) fail(source, ": \"", key, "\" is missing");
  const Json& value = json.at(key);
  try {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (!value.is_number_integer())
        fail(source, ": \"", key, "\" is ", type_name(value), "; an integer was expected");
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!value.is_number()) fail(source, ": \"", key, "\" is ", type_name(value), "; a number was expected");
    }
    return value.get<T>();
  } catch (const nlohmann::json::exception&) {
    fail(source, ": \"", key, "\" is ", type_name(value), ", which is not what was expected there");
  }
}

// The same where the key may be absent or null.
template <class T>
T get_or(const Json& json, const std::string& key, T fallback, std::string_view source) {
  if (!json.is_object() || !json.contains(key) || json.at(key).is_null()) return fallback;
  return require<T>(json, key, source);
}

}  // namespace saobp::io
