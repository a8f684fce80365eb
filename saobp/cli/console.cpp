#include "saobp/cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "saobp/cli/exit_code.h"

namespace saobp::cli {
namespace {

// A terminal that can clear a line; "dumb" ones, as inside of editors, can't.
bool overwrites(int file) {
  const char* name = std::getenv("TERM");
  return ::isatty(file) == 1 && name != nullptr && *name != '\0' && std::string_view(name) != "dumb";
}

// What fits one line of the terminal: of a line that wraps only the last part would be overwritten.
std::string fitting(const std::string& text) {
  const auto width = columns_of(STDERR_FILENO);
  if (!width) return text;
  int columns = 0;  // characters, as no progress text holds wide ones
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts_character && ++columns == *width) return text.substr(0, i);
  }
  return text;
}

bool progress_shown = false;  // a progress line stands on the terminal
bool output_left = false;     // to a file that a verb writes
bool closed = false;          // what was written found no reader

}  // namespace

std::optional<int> columns_of(int file) {
  struct winsize size{};
  if (::isatty(file) != 1 || ::ioctl(file, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

void Console::clear_progress() {
  if (progress_shown) std::cerr << "\r\x1b[K" << std::flush;
  progress_shown = false;
}

void Console::complain(const std::string& message) {
  std::cout << std::flush;
  if (progress_shown) std::cerr << "\n";
  progress_shown = false;
  std::cerr << "saobp: " << message << "\n" << std::flush;
}

void Console::leave_standard_output() {
  std::cout << std::flush;
  output_left = true;
}

bool Console::output_closed() { return closed; }

void Console::put(std::ostream& out, const std::string& text) {
  clear_progress();
  errno = 0;
  out << text << std::flush;
  if (!out && errno == EPIPE) closed = true;
  if (closed) throw ExitCode{kOutputClosed};
}

void Console::line(const std::string& text) { piece(text + "\n"); }

void Console::piece(const std::string& text) { put(json_ || output_left ? std::cerr : std::cout, text); }

void Console::result(const io::Json& json) {
  if (json_) put(std::cout, json.dump(-1, ' ', false, io::Json::error_handler_t::replace) + "\n");
}

void Console::progress(const std::string& text, bool due) {
  static const bool on_terminal = overwrites(STDERR_FILENO);
  // Lines go to standard output, or with --json to standard error; where those are a terminal, overwriting is enough.
  static const bool output_on_terminal = overwrites(STDOUT_FILENO);
  if (due && !(on_terminal && (json_ || output_left || output_on_terminal))) line(text);
  if (!on_terminal) return;
  std::cerr << "\r\x1b[K" << fitting(text) << std::flush;
  progress_shown = true;
}

}  // namespace saobp::cli
