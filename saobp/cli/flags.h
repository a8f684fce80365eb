// Command-line options from the structs that they fill (io/fields.h): --learning-rate for learning_rate.
#pragma once

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "saobp/io/fields.h"

namespace saobp::cli {

inline std::string flag_of(std::string name) {
  for (char& c : name)
    if (c == '_') c = '-';
  return "--" + name;
}

// The parser takes a whole number that is too large for the nearest one.
inline std::string outside_of_int64(const std::string& text) {
  errno = 0;
  std::strtoll(text.c_str(), nullptr, 0);
  return errno == ERANGE ? text + " was given; a whole number of at most 64 bits was expected" : "";
}

// Adds one option a field, with its default in the help.
struct FieldsToFlags {
  CLI::App& app;

  template <class T>
  void operator()(const char* name, T& value, const char* help) {
    const std::string flag = flag_of(name);
    if constexpr (std::is_same_v<T, bool>) {
      app.add_flag(flag + ",!--no-" + flag.substr(2), value, concat(help, value ? " [on]" : " [off]"));
    } else if constexpr (std::is_enum_v<T>) {
      auto* option = app.add_option_function<std::string>(
          flag, [&value, flag](const std::string& text) { value = io::parse_enum<T>(text, flag); }, help);
      option->type_name("NAME")->default_str(io::enum_name(value));
    } else if constexpr (requires { value.push_back(value.front()); } && !std::is_same_v<T, std::string>) {
      app.add_option(flag, value, help)->allow_extra_args(false)->type_name("TEXT");
    } else {
      auto* option = app.add_option(flag, value, help);
      if constexpr (!io::is_optional<T>) option->capture_default_str();
      if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::optional<double>>) option->type_name("NUMBER");
      if constexpr (std::is_same_v<T, int64_t>) option->type_name("N");
      if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, std::optional<int64_t>>)
        option->check(outside_of_int64, "");
    }
  }
};

template <class Options>
void add_flags(CLI::App& app, Options& options) {
  Options::fields(options, FieldsToFlags{app});
}

}  // namespace saobp::cli
