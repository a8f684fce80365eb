#include "saobp/cli/help.h"

#include <unistd.h>

#include <algorithm>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/io/words.h"

namespace saobp::cli {
namespace {

constexpr size_t kNames = 28;  // columns of the names, to the left of what they mean

size_t width_of(const std::string& text) { return static_cast<size_t>(io::code_points(text)); }

size_t width() { return static_cast<size_t>(std::clamp(columns_of(STDOUT_FILENO).value_or(80), 40, 120)); }

// A name, and what it means beside it or, where there is no room, below.
std::string entry(const std::string& name, const std::string& meaning) {
  const size_t indent = width() < 2 * kNames ? 6 : kNames;
  std::string out = "  " + name;
  size_t at = width_of(out);
  for (const auto& line : wrapped(meaning, width() - indent)) {
    if (at + 2 > indent) out += "\n", at = 0;
    out += std::string(indent - at, ' ') + line;
    at = indent;
  }
  return out + "\n";
}

std::string value_of(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  const std::string type = option.get_type_name();
  // Where all the words that an option takes are known, they stand with what it means.
  return type.find('|') == std::string::npos ? type : "NAME";
}

std::string entry_of(const CLI::Option& option) {
  std::string name;
  if (option.get_positional()) {
    name = option.get_type_name();
    if (option.get_expected_max() > 1) name += " …";
    if (!option.get_required()) name = "[" + name + "]";
  } else {
    const bool negatable = !option.get_fnames().empty();
    for (const auto& flag : flags_of(option)) {
      if (negatable && flag.starts_with("--no-")) continue;
      name += (name.empty() ? "" : ", ") + (negatable ? "--[no-]" + flag.substr(2) : flag);
    }
    if (const auto value = value_of(option); !value.empty()) name += " " + value;
  }
  std::string meaning = option.get_description();
  if (const auto type = option.get_type_name(); type.find('|') != std::string::npos && !option.get_positional()) {
    // Unless the text names them already, in its own words.
    bool named = true;
    std::vector<std::string> words = CLI::detail::split(type, '|');
    for (const auto& word : words) named = named && meaning.find(word) != std::string::npos;
    if (!named) meaning += ": " + io::listed(words);
  }
  if (!option.get_default_str().empty()) meaning += " [" + option.get_default_str() + "]";
  if (option.get_required() && !option.get_positional()) meaning += " (required)";
  return entry(name, meaning);
}

std::string section(const std::string& title, const std::vector<const CLI::Option*>& options) {
  std::string out;
  for (const auto* option : options) out += entry_of(*option);
  return out.empty() ? "" : "\n" + title + ":\n" + out;
}

std::vector<const CLI::Option*> own_options(const CLI::App& app, bool positional) {
  return app.get_options([&](const CLI::Option* option) {
    if (positional) return option->get_positional();
    const bool again = app.get_name().empty() && option == app.get_help_ptr();  // each group has its own --help
    return option->nonpositional() && !option->get_group().empty() && !again;
  });
}

std::string usage(const CLI::App& app, const std::string& name) {
  std::string out = "Usage: " + name;
  for (const auto* option : own_options(app, true)) {
    std::string value = option->get_type_name();
    if (option->get_expected_max() > 1) value += " …";
    out += option->get_required() ? " " + value : " [" + value + "]";
  }
  if (!commands_of(app).empty()) out += " COMMAND";
  return out + " [OPTIONS]\n";
}

std::string with_capital(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const auto* command : commands) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  std::string line;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (!line.empty() && width_of(line) + 1 + width_of(word) > width) lines.push_back(std::move(line)), line.clear();
    line += (line.empty() ? "" : " ") + word;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const {
  std::string out;
  for (const auto& line : wrapped(app->get_description(), width())) out += line + "\n";
  out += "\n" + usage(*app, name);
  out += section("Arguments", own_options(*app, true));
  if (const auto commands = commands_of(*app); !commands.empty()) {
    out += "\nCommands:\n";
    for (const auto* command : commands) out += entry(command->get_name(), command->get_description());
  }
  out += section("Options", own_options(*app, false));
  for (const auto* group : app->get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); }))
    out += section(with_capital(group->get_group()), own_options(*group, false));
  if (!app->get_footer().empty()) out += "\n" + app->get_footer() + "\n";
  return out;
}

std::vector<const CLI::Option*> options_of(const CLI::App& command, bool positional) {
  auto all = own_options(command, positional);
  for (const auto* group : command.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); }))
    for (const auto* option : own_options(*group, positional)) all.push_back(option);
  return all;
}

std::vector<std::string> flags_of(const CLI::Option& option) {
  std::vector<std::string> flags;
  for (const auto& name : option.get_snames()) flags.push_back("-" + name);
  for (const auto& name : option.get_lnames()) flags.push_back("--" + name);
  return flags;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
}

const CLI::App& find_command(const CLI::App& root, const std::vector<std::string>& words) {
  const CLI::App* level = &root;
  for (const auto& word : words) {
    const auto commands = commands_of(*level);
    const auto found =
        std::find_if(commands.begin(), commands.end(), [&](const CLI::App* c) { return c->get_name() == word; });
    const auto names = names_of(commands);
    if (found == commands.end())
      fail_usage("\"", word, "\" is not a command of ", full_name(*level),
                 names.empty() ? ", which has none" : concat("; ", io::listed(names), " was expected"),
                 io::suggestion(word, names));
    level = *found;
  }
  return *level;
}

std::string full_name(const CLI::App& command) {
  const auto* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

void add_help_command(CLI::App& app) {
  auto words = std::make_shared<std::vector<std::string>>();
  auto* command = app.add_subcommand("help", "Show what a command does and takes: saobp help bench train");
  command->add_option("command", *words, "the command's words")->type_name("COMMAND");
  command->callback([&app, words] {
    const auto& found = find_command(app, *words);
    std::cout << app.get_formatter()->make_help(&found, full_name(found), CLI::AppFormatMode::Normal);
  });
}

}  // namespace saobp::cli
