#include "saobp/cli/mistakes.h"

#include <algorithm>
#include <vector>

#include "saobp/cli/help.h"
#include "saobp/io/words.h"

namespace saobp::cli {
namespace {

// The command that was being read.
const CLI::App& innermost(const CLI::App& app) {
  for (const auto* command : app.get_subcommands())
    if (!command->get_name().empty()) return innermost(*command);
  return app;
}

// The first word that nothing takes. (The parser lists them all, from behind.)
std::string about_leftover(const CLI::App& command, const std::string& word) {
  const std::string name = full_name(command);
  if (!word.starts_with('-')) return concat("\"", word, "\": ", name, " takes no such argument (", name, " --help)");
  const std::string flag = word.substr(0, word.find('='));
  std::vector<std::string> known;
  for (const auto* option : options_of(command, /*positional=*/false))
    for (auto& each : flags_of(*option)) known.push_back(std::move(each));
  const auto likely = io::suggestion(flag, known);
  return concat(flag, ": is no flag of ", name, likely.empty() ? concat(" (", name, " --help lists them)") : likely);
}

}  // namespace

std::string misunderstood_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* level = &app;
  for (int i = 1;; ++i) {
    const auto commands = commands_of(*level);
    if (commands.empty()) return "";
    std::vector<std::string> names;
    for (const auto* command : commands) names.push_back(command->get_name());
    if (i >= argc) return concat("a command is missing; ", io::listed(names), " was expected");
    const std::string word = argv[i];
    if (word == "-h" || word == "--help" || word == "--version") return "";
    const auto found = std::find(names.begin(), names.end(), word);
    if (found == names.end())
      return concat("\"", word, "\" is not a command; ", io::listed(names), " was expected",
                    io::suggestion(word, names));
    level = commands[static_cast<size_t>(found - names.begin())];
  }
}

std::string explanation(const CLI::App& app, const CLI::ParseError& error) {
  const auto& command = innermost(app);
  // A flag that is not known matters more than what is then missing.
  if (const auto left = command.remaining(); !left.empty()) return about_leftover(command, left.front());
  std::string message = error.what();
  const std::string flag = message.substr(0, message.find(':'));
  if (error.get_name() == "RequiredError")
    return concat(message, " (", full_name(command), " --help shows an example)");
  if (error.get_name() == "ArgumentMismatch") {
    if (message.find("At Most 1 required") != std::string::npos) return flag + ": was given more than once";
    if (message.find("missing") != std::string::npos || message.find("At least 1") != std::string::npos)
      return flag + ": its value is missing";
  }
  return message;
}

}  // namespace saobp::cli
