// How help looks: one style for all verbs, wrapped to the terminal, or to 80 columns where it goes to a pipe or a file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace saobp::cli {

class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

// The options of a verb with those of its groups, in their order; `positional`: those without a flag.
std::vector<const CLI::Option*> options_of(const CLI::App& command, bool positional);
// Its flags as they are typed: "--pack", "--no-pack".
std::vector<std::string> flags_of(const CLI::Option& option);
// What is below it, without unnamed groups.
std::vector<const CLI::App*> commands_of(const CLI::App& app);
std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands);
// The command that words such as "bench", "train" lead to; UsageError naming the word that leads nowhere.
const CLI::App& find_command(const CLI::App& root, const std::vector<std::string>& words);
// "saobp bench train".
std::string full_name(const CLI::App& command);

// Breaks text at blanks into lines of at most `width` characters; words that are longer stand alone.
std::vector<std::string> wrapped(const std::string& text, size_t width);

}  // namespace saobp::cli
