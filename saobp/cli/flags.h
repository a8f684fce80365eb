// Command-line options from the structs that they fill (io/fields.h): --learning-rate for learning_rate. Values are
// checked against the field's limits as they are read, and the help names those.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>

#include "saobp/io/fields.h"

namespace saobp::cli {

using io::flag_of;

// Reads all of `text` as a number; else says what is wrong with it. Whole numbers are decimal: 010 is ten.
template <class Number>
std::string read_number(const std::string& text, Number& value) {
  const char *begin = text.data(), *end = begin + text.size();
  if (text.size() > 1 && *begin == '+') ++begin;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (stop != end || error == std::errc::invalid_argument)
    return concat("\"", text, "\" was given; a ", std::is_integral_v<Number> ? "whole number" : "number",
                  " was expected");
  if (error == std::errc()) return "";
  return concat(text, " was given; a ",
                std::is_integral_v<Number> ? "whole number of at most 64 bits" : "finite number", " was expected");
}

// Adds one option a field, with its limits and its default in the help.
struct FieldsToFlags {
  CLI::App& app;

  template <class T>
  void operator()(const char* name, T& value, const char* help, const io::Limits& limits = {}) {
    add(flag_of(name), value, help, limits);
  }

  // Under a name of its own, or several: "--attention,--variant".
  template <class T>
  void add(const std::string& flag, T& value, const char* help, const io::Limits& limits = {}) {
    if constexpr (std::is_same_v<T, bool>) {
      app.add_flag(flag + ",!--no-" + flag.substr(2), value, concat(help, value ? " [on]" : " [off]"));
    } else if constexpr (std::is_enum_v<T>) {
      add_enum<T>(flag, value, help)->default_str(io::enum_name(value));
    } else if constexpr (io::is_optional_enum<T>) {
      add_enum<typename T::value_type>(flag, value, help);
    } else if constexpr (requires { value.push_back(value.front()); } && !std::is_same_v<T, std::string>) {
      app.add_option(flag, value, help)->allow_extra_args(false)->type_name("TEXT");
    } else {
      const std::string text = limits.text();
      auto* option = app.add_option(flag, value, text.empty() ? help : concat(help, " (", text, ")"));
      if constexpr (!io::is_optional<T>) option->capture_default_str();
      if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::optional<double>>)
        check_number<double>(*option, "NUMBER", limits);
      if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, std::optional<int64_t>>)
        check_number<int64_t>(*option, "N", limits);
    }
  }

 private:
  // Its type is named by all that it may be: "f32|bf16".
  template <class Enum, class Value>
  CLI::Option* add_enum(const std::string& flag, Value& value, const char* help) {
    const std::string shown = flag.substr(0, flag.find(','));
    std::string names;
    for (const auto& each : enum_names(Enum{})) names += (names.empty() ? "" : "|") + each;
    return app
        .add_option_function<std::string>(
            flag, [&value, shown](const std::string& text) { value = io::parse_enum<Enum>(text, shown); }, help)
        ->type_name(names);
  }

  // The parser itself would take 010 for eight.
  template <class Number>
  static void check_number(CLI::Option& option, const char* type_name, const io::Limits& limits) {
    option.type_name(type_name);
    const auto check = [limits](std::string& text) {
      Number value{};
      if (auto wrong = read_number(text, value); !wrong.empty()) return wrong;
      if constexpr (std::is_integral_v<Number>) text = std::to_string(value);
      return limits.complaint(value);
    };
    option.transform(CLI::Validator(check, ""));
  }
};

template <class Options>
void add_flags(CLI::App& app, Options& options) {
  Options::fields(options, FieldsToFlags{app});
}

// UsageError for a flag of the command that was given an empty value.
inline void refuse_empty_values(const CLI::App& command) {
  for (const auto* option : command.get_options())
    for (const auto& value : option->results())
      if (value.empty()) fail_usage(option->get_name(), ": an empty value was given");
}

// What a verb's help ends with.
inline void add_example(CLI::App& command, const std::string& lines) { command.footer(lines); }

}  // namespace saobp::cli
