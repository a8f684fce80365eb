// What a verb prints, and where: people read standard output; with --json the last line of standard output is one JSON
// object and everything else goes to standard error.
#pragma once

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "saobp/io/json.h"

namespace saobp::cli {

class Console {
 public:
  // Adds --json.
  void add_flag(CLI::App& app) { app.add_flag("--json", json_, "print one JSON object as the last line"); }
  bool json() const { return json_; }

  // A line (or several) for people.
  void line(const std::string& text);
  // A piece of text that may end anywhere, shown at once.
  void piece(const std::string& text);
  // The JSON object, with --json only.
  void result(const io::Json& json);
  // A state that the next one replaces: overwritten in place on a terminal, and, where standard error is none, printed
  // as a line of its own only when it is `due`.
  void progress(const std::string& text, bool due);

 private:
  void clear_progress();
  bool json_ = false;
  bool shown_ = false;  // a progress line stands on the terminal
};

}  // namespace saobp::cli
