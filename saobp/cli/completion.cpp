// Completion of words for three shells, made from the parser's own list of commands and options.
#include <functional>

#include "saobp/cli/commands.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/help.h"
#include "saobp/io/words.h"

namespace saobp::cli {
namespace {

enum class Shell { bash, zsh, fish };

const std::vector<std::string>& enum_names(Shell) {
  static const std::vector<std::string> names = {"bash", "zsh", "fish"};
  return names;
}

// A command as the scripts know it: "bench train", without the program's name.
struct Command {
  std::string path;
  const CLI::App* app;
};

void collect(const CLI::App& app, const std::string& path, std::vector<Command>& into) {
  into.push_back({path, &app});
  for (const auto* below : commands_of(app))
    collect(*below, path.empty() ? below->get_name() : path + " " + below->get_name(), into);
}

std::string joined(const std::vector<std::string>& words, const std::string& between = " ") {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

bool takes_value(const CLI::Option& option) { return option.get_type_size() != 0; }

// The words that a value may be; empty where it is a number, a text or a file.
std::vector<std::string> choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.find('|') == std::string::npos ? std::vector<std::string>() : CLI::detail::split(type, '|');
}

bool is_number(const CLI::Option& option) {
  return option.get_type_name() == "N" || option.get_type_name() == "NUMBER";
}

// The words that arguments without a flag may be: other commands, or what one of them chooses from.
std::vector<std::string> argument_choices(const CLI::App& command) {
  std::vector<std::string> words = names_of(commands_of(command));
  for (const auto* argument : options_of(command, /*positional=*/true))
    for (auto& word : choices(*argument)) words.push_back(std::move(word));
  return words;
}

std::string bash_script(const std::vector<Command>& commands) {
  std::string paths, values, words;
  for (const auto& command : commands) {
    if (!command.path.empty())
      paths += concat("      '", command.path.find(' ') == std::string::npos ? " " : "", command.path, "') ;;\n");
    std::vector<std::string> known = argument_choices(*command.app);
    for (const auto* option : options_of(*command.app, /*positional=*/false)) {
      const auto flags = flags_of(*option);
      known.insert(known.end(), flags.begin(), flags.end());
      if (!takes_value(*option)) continue;
      std::vector<std::string> patterns;
      for (const auto& flag : flags) patterns.push_back("'" + command.path + ":" + flag + "'");
      values += concat(
          "    ", joined(patterns, "|"), ") COMPREPLY=($(compgen ",
          choices(*option).empty() ? is_number(*option) ? "-W ''" : "-f" : "-W '" + joined(choices(*option)) + "'",
          " -- \"$word\")); return ;;\n");
    }
    words += concat("    '", command.path, "') known='", joined(known), "' ;;\n");
  }
  return concat(R"(# saobp completion bash: words of saobp for bash. Load with: source <(saobp completion bash)
_saobp() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb='' known='' i
  if [[ $word == '=' ]]; then word=''; elif [[ $before == '=' ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$verb ${COMP_WORDS[i]}" in
)",
                paths, R"(      *) continue ;;
    esac
    verb="${verb:+$verb }${COMP_WORDS[i]}"
  done
  case "$verb:$before" in
)",
                values, R"(  esac
  case "$verb" in
)",
                words, R"(  esac
  if [[ $word == -* || ${known%% *} != -* ]]; then COMPREPLY=($(compgen -W "$known" -- "$word")); else COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _saobp saobp
)");
}

// For text between quotes of zsh's _arguments and of fish.
std::string replaced(std::string text, const std::vector<std::pair<char, std::string>>& pairs) {
  std::string out;
  for (char c : text) {
    const auto* found = &pairs.front();
    for (const auto& pair : pairs)
      if (pair.first == c) found = &pair;
    out += found->first == c ? found->second : std::string(1, c);
  }
  return out;
}

std::string zsh_script(const std::vector<Command>& commands) {
  const auto quoted = [](const std::string& text) {
    return replaced(text, {{'\'', "'\\''"}, {'[', "\\["}, {']', "\\]"}, {':', "\\:"}});
  };
  std::string paths, cases;
  for (const auto& command : commands) {
    if (!command.path.empty())
      paths += concat("      '", command.path.find(' ') == std::string::npos ? " " : "", command.path, "') ;;\n");
    cases += "    '" + command.path + "')\n";
    if (const auto below = commands_of(*command.app); !below.empty()) {
      cases += "      local -a below=(";
      for (const auto* each : below) cases += " '" + each->get_name() + ":" + quoted(each->get_description()) + "'";
      cases += " )\n      _describe command below ;;\n";
      continue;
    }
    cases += "      _arguments";
    for (const auto* option : options_of(*command.app, /*positional=*/false))
      for (const auto& flag : flags_of(*option)) {
        cases += " \\\n        '" + flag + "[" + quoted(option->get_description()) + "]";
        if (takes_value(*option))
          cases += ":value:" + (!choices(*option).empty() ? "(" + joined(choices(*option)) + ")"
                                : is_number(*option)      ? std::string()
                                                          : std::string("_files"));
        cases += "'";
      }
    const auto words = argument_choices(*command.app);
    cases += " \\\n        '*:argument:" + (words.empty() ? "_files" : "(" + joined(words) + ")") + "' ;;\n";
  }
  return concat(R"(#compdef saobp
# saobp completion zsh: words of saobp for zsh. Load with: source <(saobp completion zsh)
_saobp() {
  local verb='' word; integer i depth=0
  for ((i = 2; i < CURRENT; ++i)); do
    word=${words[i]}
    case "$verb $word" in
)",
                paths, R"(      *) continue ;;
    esac
    verb="${verb:+$verb }$word"; depth=i-1
  done
  if ((depth > 0)); then shift $depth words; ((CURRENT -= depth)); fi
  case "$verb" in
)",
                cases, R"(  esac
}
compdef _saobp saobp
)");
}

std::string fish_script(const std::vector<Command>& commands) {
  const auto quoted = [](const std::string& text) {
    return "'" + replaced(text, {{'\'', "\\'"}, {'\\', "\\\\"}}) + "'";
  };
  std::string paths, lines;
  for (const auto& command : commands) {
    if (!command.path.empty()) paths += " " + quoted(command.path);
    const std::string here = "complete -c saobp -n " + quoted("__saobp_at " + quoted(command.path));
    for (const auto* below : commands_of(*command.app))
      lines += concat(here, " -f -a ", below->get_name(), " -d ", quoted(below->get_description()), "\n");
    for (const auto* argument : options_of(*command.app, /*positional=*/true))
      if (!choices(*argument).empty()) lines += here + " -f -a " + quoted(joined(choices(*argument))) + "\n";
    for (const auto* option : options_of(*command.app, /*positional=*/false)) {
      std::string line = here;
      for (const auto& flag : flags_of(*option))
        line += flag.starts_with("--") ? " -l " + flag.substr(2) : " -s " + flag.substr(1);
      if (!choices(*option).empty())
        line += " -x -a " + quoted(joined(choices(*option)));
      else if (takes_value(*option))
        line += is_number(*option) ? " -x" : " -r";
      lines += line + " -d " + quoted(option->get_description()) + "\n";
    }
  }
  return concat(R"(# saobp completion fish: words of saobp for fish. Load with: saobp completion fish | source
function __saobp_at
  set -l verb
  for word in (commandline -opc)[2..-1]
    set -l longer (string join -- ' ' $verb $word)
    contains -- $longer)",
                paths, R"(; and set verb $longer
  end
  test "$verb" = "$argv[1]"
end
)",
                lines);
}

}  // namespace

void add_completion_command(CLI::App& app) {
  auto shell = std::make_shared<Shell>(Shell::bash);
  auto* command = app.add_subcommand("completion", "Print a script that lets a shell complete saobp's words");
  command
      ->add_option_function<std::string>(
          "shell", [shell](const std::string& text) { *shell = io::parse_enum<Shell>(text, "saobp completion"); },
          "bash, zsh or fish")
      ->required()
      ->type_name("bash|zsh|fish");
  add_example(*command, "Examples:\n  source <(saobp completion bash)\n  saobp completion fish | source");
  command->callback([&app, shell] {
    std::vector<Command> commands;
    collect(app, "", commands);
    std::cout << (*shell == Shell::bash  ? bash_script(commands)
                  : *shell == Shell::zsh ? zsh_script(commands)
                                         : fish_script(commands));
  });
}

}  // namespace saobp::cli
