// One typed struct per concern: what parses, prints help, is saved in the run folder and is read back. A struct
// lists its fields once,
//
//   template <class Self, class Visitor>
//   static void fields(Self& self, Visitor&& visit) {
//     visit("steps", self.steps, "optimiser steps", io::at_least(1));
//   }
//
// (numbers may name their limits) and the visitors here (to and from JSON) and in cli/flags.h (command line) do the
// rest. Field types: bool, int64_t, double, std::string, std::vector and std::optional of these, and enums with
// parse_enum / enum_names found by ADL.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/io/limits.h"

namespace saobp::io {

// An enum in fields declares, in its own namespace,
//   const std::vector<std::string>& enum_names(E);   // one name a value, in the order of the values from 0
template <class E>
std::string enum_name(E value) {
  return enum_names(value).at(static_cast<size_t>(value));
}

template <class E>
E parse_enum(const std::string& text, const std::string& where) {
  const auto& names = enum_names(E{});
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return static_cast<E>(i);
  fail_usage(where, ": \"", text, "\" is not known; ", listed(names), " was expected", suggestion(text, names));
}

// How the command line calls a field: --learning-rate for learning_rate.
inline std::string flag_of(std::string name) {
  for (char& c : name)
    if (c == '_') c = '-';
  return "--" + name;
}

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_optional_enum = false;
template <class T>
inline constexpr bool is_optional_enum<std::optional<T>> = std::is_enum_v<T>;

// What is wrong with a field's value; empty where nothing is, and for what is no number.
template <class T>
std::string complaint_about(const T& value, const Limits& limits) {
  if constexpr (is_optional<T>)
    return value ? complaint_about(*value, limits) : "";
  else if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
    return limits.complaint(value);
  else
    return "";
}

struct FieldsToJson {
  Json& json;
  template <class T>
  void operator()(const char* name, const T& value, const char*, const Limits& = {}) {
    if constexpr (std::is_enum_v<T>)
      json[name] = enum_name(value);
    else if constexpr (is_optional_enum<T>)
      value ? json[name] = enum_name(*value) : json[name] = nullptr;
    else if constexpr (is_optional<T>)
      value ? json[name] = *value : json[name] = nullptr;
    else
      json[name] = value;
  }
};

struct FieldsFromJson {
  const Json& json;
  std::string source;
  template <class T>
  void operator()(const char* name, T& value, const char*, const Limits& limits = {}) {
    if constexpr (std::is_enum_v<T>) {
      value = parse_enum<T>(require<std::string>(json, name, source), source + ": \"" + name + "\"");
    } else if constexpr (is_optional<T>) {
      value.reset();
      if (json.contains(name) && !json.at(name).is_null()) {
        if constexpr (is_optional_enum<T>)
          value = parse_enum<typename T::value_type>(require<std::string>(json, name, source),
                                                     source + ": \"" + name + "\"");
        else
          value = require<typename T::value_type>(json, name, source);
      }
    } else {
      value = require<T>(json, name, source);
    }
    if (const auto wrong = complaint_about(value, limits); !wrong.empty()) fail(source, ": \"", name, "\": ", wrong);
  }
};

template <class Options>
Json fields_to_json(const Options& options) {
  Json json = Json::object();
  Options::fields(options, FieldsToJson{json});
  return json;
}

// Every field must be there; `source` names the file in messages.
template <class Options>
Options fields_from_json(const Json& json, const std::string& source) {
  Options options;
  Options::fields(options, FieldsFromJson{json, source});
  return options;
}

// Takes over the fields that are there; Error for one that Options does not have.
template <class Options>
void update_fields(Options& options, const Json& json, const std::string& source) {
  if (!json.is_object()) fail(source, ": found ", json.type_name(), "; an object of settings was expected");
  std::vector<std::string> known;
  Options::fields(options, [&](const char* name, auto& value, const char* help, const Limits& limits = {}) {
    known.push_back(name);
    if (json.contains(name)) FieldsFromJson{json, source}(name, value, help, limits);
  });
  for (const auto& [name, value] : json.items())
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail(source, ": \"", name, "\" is no setting", suggestion(name, known));
}

// UsageError naming the flag of the first field whose value is outside of its limits.
template <class Options>
void check_limits(const Options& options) {
  Options::fields(options, [](const char* name, const auto& value, const char*, const Limits& limits = {}) {
    if (const auto wrong = complaint_about(value, limits); !wrong.empty()) fail_usage(flag_of(name), ": ", wrong);
  });
}

}  // namespace saobp::io
