// The command line. Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted (state saved),
// 141 standard output was closed (of a run: state saved).
#include <c10/util/Exception.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <new>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/exit_code.h"
#include "saobp/cli/help.h"
#include "saobp/cli/mistakes.h"
#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/words.h"

namespace {

int complain(std::string message, int code) {
  // One line, whatever a library put into its text.
  message = message.substr(0, message.find('\n'));
  saobp::cli::Console::complain(message);
  return code;
}

// Freed memory stays with the program: a training step asks for the same large tensors again, and taking them from the
// system page by page costs it up to a quarter of its time.
void keep_memory() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

// LibTorch's allocator has an error of its own, "… DefaultCPUAllocator: can't allocate memory: you tried to allocate
// 123 bytes. …".
bool is_out_of_memory(const std::string& message) { return message.find("DefaultCPUAllocator") != std::string::npos; }

std::string out_of_memory(const std::string& message) {
  const std::string before = "you tried to allocate ";
  const size_t at = message.find(before);
  const double bytes = at == std::string::npos ? 0 : std::strtod(message.c_str() + at + before.size(), nullptr);
  return saobp::concat("out of memory",
                       bytes > 0 ? ": " + saobp::io::size_in_words(bytes) + " more were asked for" : "",
                       "; fewer rows at once (--batch), a shorter --length or a smaller model take less");
}

int run(int argc, char** argv) {
  CLI::App app("Train, run and study transformers whose attention is refined by belief propagation (SAOBP).", "saobp");
  app.formatter(std::make_shared<saobp::cli::HelpFormatter>());  // before the commands, which take it over
  app.set_help_flag("-h,--help", "show this help");
  app.set_version_flag("--version", std::string("saobp ") + SAOBP_VERSION, "show the version");
  app.footer("saobp help COMMAND tells more of each, with its limits and an example.");
  app.require_subcommand(1);
  app.fallthrough(false);
  saobp::cli::add_demo_command(app);
  saobp::cli::add_tokenizer_command(app);
  saobp::cli::add_pretrain_command(app);
  saobp::cli::add_finetune_command(app);
  saobp::cli::add_evaluate_command(app);
  saobp::cli::add_compare_command(app);
  saobp::cli::add_score_command(app);
  saobp::cli::add_tasks_command(app);
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
  saobp::cli::add_help_command(app);
  saobp::cli::add_completion_command(app);
  if (auto wrong = saobp::cli::misunderstood_command(app, argc, argv); !wrong.empty()) return complain(wrong, 2);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    return complain(saobp::cli::explanation(app, e), 2);
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
    const std::string message = e.what_without_backtrace();
    return complain(is_out_of_memory(message) ? out_of_memory(message) : message, 1);
  } catch (const std::filesystem::filesystem_error& e) {
    return complain(saobp::concat(e.path1().string(), ": ", e.code().message()), 1);
  } catch (const std::bad_alloc&) {
    return complain(out_of_memory(""), 1);
  } catch (const std::exception& e) {
    return complain(e.what(), 1);
  }
}
