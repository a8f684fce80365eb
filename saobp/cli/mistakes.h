// What is said of a command line that the parser did not take.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace saobp::cli {

// A word that stands where a command was expected, or a command that is missing; empty where there is neither.
std::string misunderstood_command(const CLI::App& app, int argc, char** argv);

// One line about what else was wrong, with the flag that was probably meant.
std::string explanation(const CLI::App& app, const CLI::ParseError& error);

}  // namespace saobp::cli
