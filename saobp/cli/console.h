// What a verb prints, and where: people read standard output; with --json the last line of standard output is one JSON
// object and everything else goes to standard error.
#pragma once

#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>
#include <string>

#include "saobp/io/json.h"

namespace saobp::cli {

// How wide the terminal behind an open file is; nothing where there is none.
std::optional<int> columns_of(int file);

class Console {
 public:
  // Adds --json.
  void add_flag(CLI::App& app) { app.add_flag("--json", json_, "print one JSON object as the last line"); }
  bool json() const { return json_; }

  // A line (or several) for people. Throws ExitCode (kOutputClosed) when the pipe that it goes to has lost its reader,
  // as piece() and result() do.
  void line(const std::string& text);
  // A piece of text that may end anywhere, shown at once.
  void piece(const std::string& text);
  // The JSON object, with --json only.
  void result(const io::Json& json);
  // A state that the next one replaces: overwritten in place where standard error is a terminal, cut to its width.
  // Where lines go to a pipe or a file, each state that is `due` is a line there.
  void progress(const std::string& text, bool due);

  // What went wrong, on standard error, as "saobp: MESSAGE". The state that the terminal shows stays above it.
  static void complain(const std::string& message);

  // Lines go to standard error from here on, since a verb writes a file to standard output. The JSON object still ends
  // it.
  static void leave_standard_output();
  // The pipe that lines, or with --json the JSON object, go to has lost its reader.
  static bool output_closed();

 private:
  static void clear_progress();
  static void put(std::ostream& out, const std::string& text);
  bool json_ = false;
};

}  // namespace saobp::cli
