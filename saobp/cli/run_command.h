// What the verbs that train share: what was given on the command line, and how an ended run is told.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "saobp/cli/console.h"
#include "saobp/cli/exit_code.h"
#include "saobp/cli/flags.h"
#include "saobp/recipes/recipe.h"

namespace saobp::cli {

// Whether the flag, of one of the verb's groups of options, was given.
inline bool is_given(const CLI::App& verb, const std::string& flag) {
  for (const auto* group : verb.get_subcommands([](const CLI::App*) { return true; }))
    if (const auto* option = group->get_option_no_throw(flag)) return option->count() > 0;
  return false;
}

// Of all options, in sections, those that were given: what a run that goes on is told anew.
inline io::Json given_options(const CLI::App& verb, const io::Json& all) {
  io::Json given = io::Json::object();
  for (const auto& [section, fields] : all.items())
    for (const auto& [name, value] : fields.items())
      if (is_given(verb, flag_of(name))) given[section][name] = value;
  return given;
}

// Ends the program where a signal ended the run; the first rank says how `verb` goes on with it.
inline void end_if_interrupted(const recipes::RunOutcome& outcome, const std::string& verb, const std::string& run) {
  if (!outcome.interrupted) return;
  if (outcome.rank > 0) throw ExitCode{kInterrupted};
  const bool closed = Console::output_closed();
  const std::string why = closed ? "standard output was closed" : "interrupted";
  Console::complain(!outcome.saved ? why + " before the first step; nothing was written"
                                   : concat(why, " at step ", outcome.step, "; the state is saved, go on with: saobp ",
                                            verb, " --resume ", run));
  throw ExitCode{closed ? kOutputClosed : kInterrupted};
}

}  // namespace saobp::cli
