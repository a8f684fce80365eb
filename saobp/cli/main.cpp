// The command line. Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted (state saved),
// 141 standard output was closed (of a run: state saved).
#include <c10/util/Exception.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <exception>
#include <iostream>
#include <limits>
#include <new>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/exit_code.h"
#include "saobp/io/error.h"
#include "saobp/io/file.h"

namespace {

int complain(std::string message, int code) {
  // One line, whatever a library put into its text.
  message = message.substr(0, message.find('\n'));
  saobp::cli::Console::complain(message);
  return code;
}

// The parser says only that a command is missing; people want to know which word it did not understand.
std::string misunderstood(CLI::App& app, int argc, char** argv) {
  CLI::App* level = &app;
  for (int i = 1;; ++i) {
    const auto commands = level->get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
    if (commands.empty()) return "";
    std::string known;
    for (const auto* command : commands) known += (known.empty() ? "" : ", ") + command->get_name();
    if (i >= argc) return "a command is missing; one of " + known + " was expected";
    const std::string word = argv[i];
    if (word == "-h" || word == "--help" || word == "--version") return "";
    const auto found =
        std::find_if(commands.begin(), commands.end(), [&](const auto* c) { return c->get_name() == word; });
    if (found == commands.end()) return "\"" + word + "\" is not a command; one of " + known + " was expected";
    level = *found;
  }
}

// Freed memory stays with the program: a training step asks for the same large tensors again, and taking them from the
// system page by page costs it up to a quarter of its time.
void keep_memory() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

int run(int argc, char** argv) {
  CLI::App app("Train, run and study transformers whose attention is refined by belief propagation (SAOBP).", "saobp");
  app.set_version_flag("--version", std::string("saobp ") + SAOBP_VERSION);
  app.require_subcommand(1);
  app.fallthrough(false);
  saobp::cli::add_demo_command(app);
  saobp::cli::add_tokenizer_command(app);
  saobp::cli::add_pretrain_command(app);
  saobp::cli::add_analyze_command(app);
  saobp::cli::add_fill_command(app);
  saobp::cli::add_generate_command(app);
  saobp::cli::add_report_command(app);
  auto* bench = app.add_subcommand("bench", "Measure speed; --json prints what scripts compare");
  bench->require_subcommand(1);
  saobp::cli::add_bench_attention(*bench);
  saobp::cli::add_bench_train(*bench);
  saobp::cli::add_bench_infer(*bench);
  saobp::cli::add_bench_cost(*bench);
  saobp::cli::add_info_command(app);
  if (auto message = misunderstood(app, argc, argv); !message.empty()) return complain(message, 2);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    return complain(std::string(e.what()) + " (--help lists what is known)", 2);
  }
  std::cout << std::flush;
  if (saobp::cli::Console::output_closed()) return saobp::cli::kOutputClosed;
  if (!std::cout) return complain("standard output cannot be written", 1);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a write to a pipe without a reader fails instead, and what is unsaved can be saved
  keep_memory();
  try {
    return run(argc, argv);
  } catch (const saobp::cli::ExitCode& e) {
    return e.code;
  } catch (const saobp::io::OutputClosed&) {
    return saobp::cli::kOutputClosed;
  } catch (const saobp::UsageError& e) {
    return complain(e.what(), 2);
  } catch (const c10::Error& e) {
    return complain(e.what_without_backtrace(), 1);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", 1);
  } catch (const std::exception& e) {
    return complain(e.what(), 1);
  }
}
