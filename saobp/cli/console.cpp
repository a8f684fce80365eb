#include "saobp/cli/console.h"

#include <unistd.h>

namespace saobp::cli {

void Console::clear_progress() {
  if (shown_) std::cerr << "\r\x1b[K" << std::flush;
  shown_ = false;
}

void Console::line(const std::string& text) { piece(text + "\n"); }

void Console::piece(const std::string& text) {
  clear_progress();
  (json_ ? std::cerr : std::cout) << text << std::flush;
}

void Console::result(const io::Json& json) {
  clear_progress();
  if (json_) std::cout << json.dump(-1, ' ', false, io::Json::error_handler_t::replace) << "\n" << std::flush;
}

void Console::progress(const std::string& text, bool due) {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (terminal) {
    std::cerr << "\r\x1b[K" << text << std::flush;
    shown_ = true;
  } else if (due) {
    (json_ ? std::cerr : std::cout) << text << "\n" << std::flush;
  }
}

}  // namespace saobp::cli
