#include "saobp/io/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "saobp/io/error.h"

namespace saobp::io {
namespace {

constexpr int kPatienceMs = 10'000;

// False when nothing can be read from the pipe for as long as anyone would wait.
bool wait_for_input(int file) {
  pollfd waiting{file, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  return ready != 0;
}

// Opens for reading; folders, devices and what is too large end here with one clear line.
int open_document(const fs::path& path, uint64_t& most, bool& pipe) {
  // Without O_NONBLOCK opening a pipe that nobody writes to would wait for ever.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail(path.string(), ": cannot be opened: ", std::strerror(errno));
  struct stat status{};
  std::string error;
  if (::fstat(file, &status) != 0)
    error = "cannot be examined";
  else if (pipe = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode); !pipe && !S_ISREG(status.st_mode))
    error = concat("is ", kind_of_file(status.st_mode), "; a file was expected");
  else if (pipe)
    most = std::min(most, kLargestDocument);
  else if (static_cast<uint64_t>(status.st_size) > most)
    error = concat("has ", status.st_size, " bytes; at most ", most, " were expected of such a file");
  if (error.empty()) return file;
  ::close(file);
  fail(path.string(), ": ", error);
}

}  // namespace

const char* kind_of_file(unsigned mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "a file";
}

std::string read_file(const fs::path& path, uint64_t most) {
  bool pipe = false;
  const int file = open_document(path, most, pipe);
  std::string text, error;
  char buffer[1 << 16];
  // Reads to the end rather than the size: pipes and /proc files report zero.
  for (;;) {
    if (pipe && !wait_for_input(file)) {
      error = concat("nothing came from this pipe for ", kPatienceMs / 1000, " seconds");
      break;
    }
    const ssize_t got = ::read(file, buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) error = concat("cannot be read: ", std::strerror(errno));
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > most) {
      error = concat("has more than ", most, " bytes, the most that was expected of such a file");
      break;
    }
  }
  ::close(file);
  if (!error.empty()) fail(path.string(), ": ", error);
  return text;
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path, error))
    fail(path.string(), ": this folder cannot be made: ", error ? error.message() : "a file has that name");
}

// Unicode 15, table 3-7.
size_t utf8_sequence(std::string_view text) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data());
  auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && s[i] >= low && s[i] <= high;
  };
  if (text.empty()) return 0;
  unsigned char b = s[0];
  if (b < 0x80) return 1;
  if (b >= 0xC2 && b <= 0xDF) return continues(1) ? 2 : 0;
  if (b >= 0xE0 && b <= 0xEF)
    return continues(1, b == 0xE0 ? 0xA0 : 0x80, b == 0xED ? 0x9F : 0xBF) && continues(2) ? 3 : 0;
  if (b >= 0xF0 && b <= 0xF4)
    return continues(1, b == 0xF0 ? 0x90 : 0x80, b == 0xF4 ? 0x8F : 0xBF) && continues(2) && continues(3) ? 4 : 0;
  return 0;
}

void require_utf8(std::string_view text, std::string_view source, const TextPosition& start) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data());
  size_t i = 0, n = text.size();
  while (i < n) {
    // Most text is ASCII: eight bytes at a time.
    uint64_t word;
    while (i + 8 <= n && (std::memcpy(&word, s + i, 8), (word & 0x8080808080808080ull) == 0)) i += 8;
    if (i >= n) break;
    size_t length = utf8_sequence(text.substr(i));
    if (length == 0) {
      const auto lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n');
      char byte[8];
      std::snprintf(byte, sizeof byte, "0x%02X", s[i]);
      fail(source, ": line ", start.line + static_cast<uint64_t>(lines), ", byte offset ", start.offset + i,
           ": invalid UTF-8 (byte ", byte, "); UTF-8 text was expected");
    }
    i += length;
  }
}

}  // namespace saobp::io
