// JSON with errors that name the file and the key. Objects keep the order of insertion, so that files read well.
#pragma once

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "saobp/io/error.h"

namespace saobp::io {

using Json = nlohmann::ordered_json;

// `source` is what messages call the text. Error with line and byte offset when it is not JSON, or is nested more
// deeply than anything that could be meant. Of a key that an object has twice the later value counts.
Json parse_json(std::string_view text, std::string_view source);
Json read_json(const std::filesystem::path& path);
// Indented by one space a level, ends with a newline; written aside and renamed.
void write_json(const std::filesystem::path& path, const Json& json);

// A word for the type of a value, for messages: "a number", "null" …
std::string type_name(const Json& json);

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

// The value as a T, nothing of it changed: an integer must fit T, and a real number is none. Error that begins with
// `where`.
template <class T>
T convert(const Json& value, const std::string& where) {
  if constexpr (std::is_same_v<T, Json>) {
    return value;
  } else if constexpr (is_vector<T>) {
    if (!value.is_array()) fail(where, " is ", type_name(value), "; a list was expected");
    const std::string item_of = where + ": an item";
    T list;
    list.reserve(value.size());
    for (const Json& item : value) list.push_back(convert<typename T::value_type>(item, item_of));
    return list;
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if (!value.is_number_integer()) fail(where, " is ", type_name(value), "; an integer was expected");
    const bool fits =
        value.is_number_unsigned() ? std::in_range<T>(value.get<uint64_t>()) : std::in_range<T>(value.get<int64_t>());
    if (!fits)
      fail(where, " is ", value.dump(), "; an integer from ", std::numeric_limits<T>::min(), " to ",
           std::numeric_limits<T>::max(), " was expected");
    return value.get<T>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) fail(where, " is ", type_name(value), "; a number was expected");
    return value.get<T>();
  } else {
    try {
      return value.get<T>();
    } catch (const nlohmann::json::exception&) {
      constexpr bool text = std::is_same_v<T, std::string>, flag = std::is_same_v<T, bool>;
      fail(where, " is ", type_name(value), "; ",
           text   ? "a string"
           : flag ? "true or false"
                  : "something else",
           " was expected");
    }
  }
}

// null for what is not finite, which JSON cannot write.
Json number_or_null(double value);
// NaN for what is no number.
double number_or_nan(const Json& value);

// json[key] as a T; Error naming `source` and the key when it is missing or of another type.
template <class T>
T require(const Json& json, const std::string& key, std::string_view source) {
  if (!json.is_object() || !json.contains(key)) fail(source, ": \"", key, "\" is missing");
  return convert<T>(json.at(key), concat(source, ": \"", key, "\""));
}

// The same where the key may be absent or null.
template <class T>
T get_or(const Json& json, const std::string& key, T fallback, std::string_view source) {
  if (!json.is_object() || !json.contains(key) || json.at(key).is_null()) return fallback;
  return require<T>(json, key, source);
}

}  // namespace saobp::io
