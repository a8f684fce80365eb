#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "saobp/io/error.h"

namespace saobp::fuzz {

void require(bool kept, std::string_view promise) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(promise.size()), promise.data());
  std::abort();
}

bool attempt(const std::function<void()>& work) {
  std::string message;
  try {
    work();
    return true;
  } catch (const Error& error) {
    message = error.what();
  }
  // Outside of the handler, where an Error of this function's own would be lost.
  bool control = false;
  for (char c : message) control = control || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  if (control || message.empty() || message.size() > 4096) {
    std::fprintf(stderr, "message of %zu bytes: %.300s\n", message.size(), message.c_str());
    require(false, "an error is one line of bounded length");
  }
  io::require_utf8(message, "an error's message");
  return false;
}

std::vector<std::string_view> parts(const uint8_t* data, size_t size, size_t count) {
  std::vector<std::string_view> found;
  std::string_view rest = whole(data, size);
  while (found.size() + 1 < count) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    found.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  found.push_back(rest);
  return found;
}

Folder::Folder() {
  const io::fs::path memory = "/dev/shm";
  path_ = (::access(memory.c_str(), W_OK) == 0 ? memory : io::fs::temp_directory_path()) / "saobp-fuzz-XXXXXX";
  std::string name = path_.string();
  require(::mkdtemp(name.data()) != nullptr, "there is room for a folder");
  path_ = name;
}

Folder::~Folder() {
  std::error_code error;
  io::fs::remove_all(path_, error);
}

io::fs::path Folder::write(const std::string& name, std::string_view bytes) const {
  const io::fs::path path = path_ / name;
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) {
    io::fs::create_directories(path.parent_path());
    file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  }
  require(file >= 0, "files can be made");
  require(::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "files can be written");
  ::close(file);
  return path;
}

void Folder::remove(const std::string& name) const { ::unlink((path_ / name).c_str()); }

}  // namespace saobp::fuzz
