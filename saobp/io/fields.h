// One typed struct per concern: what parses, prints help, is saved in the run folder and is read back. A struct
// lists its fields once,
//
//   template <class Self, class Visitor>
//   static void fields(Self& self, Visitor&& visit) {
//     visit("steps", self.steps, "optimiser steps");
//   }
//
// and the visitors here (to and from JSON) and in cli/flags.h (command line) do the rest. Field types: bool, int64_t,
// double, std::string, std::vector and std::optional of these, and enums with parse_enum / enum_names found by ADL.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "saobp/io/json.h"

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
  std::string known;
  for (const auto& name : names) known += (known.empty() ? "" : ", ") + name;
  fail_usage(where, ": \"", text, "\" is not known; one of ", known, " was expected");
}

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

struct FieldsToJson {
  Json& json;
  template <class T>
  void operator()(const char* name, const T& value, const char*) {
    if constexpr (std::is_enum_v<T>)
      json[name] = enum_name(value);
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
  void operator()(const char* name, T& value, const char*) {
    if constexpr (std::is_enum_v<T>) {
      value = parse_enum<T>(require<std::string>(json, name, source), source + ": \"" + name + "\"");
    } else if constexpr (is_optional<T>) {
      value.reset();
      if (json.contains(name) && !json.at(name).is_null()) value = require<typename T::value_type>(json, name, source);
    } else {
      value = require<T>(json, name, source);
    }
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
  Options::fields(options, [&](const char* name, auto& value, const char* help) {
    known.push_back(name);
    if (json.contains(name)) FieldsFromJson{json, source}(name, value, help);
  });
  for (const auto& [name, value] : json.items())
    if (std::find(known.begin(), known.end(), name) == known.end()) fail(source, ": \"", name, "\" is no setting");
}

}  // namespace saobp::io
