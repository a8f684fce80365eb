#include "saobp/io/byte_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "saobp/io/error.h"

namespace saobp::io {

ByteStream::ByteStream(const fs::path& path) : name_(path == "-" ? "standard input" : path.string()) {
  file_ = path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) fail(name_, ": cannot be opened: ", std::strerror(errno));
  struct stat status{};
  const bool known = ::fstat(file_, &status) == 0;
  if (!known || S_ISDIR(status.st_mode)) {
    ::close(file_);
    fail(name_, known ? ": is a folder; a file was expected" : ": cannot be examined");
  }
  regular_ = S_ISREG(status.st_mode);
  if (regular_) size_ = static_cast<uint64_t>(status.st_size);
}

ByteStream::ByteStream(ByteStream&& other) noexcept { *this = std::move(other); }

ByteStream& ByteStream::operator=(ByteStream&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(file_, other.file_);
  std::swap(regular_, other.regular_);
  std::swap(size_, other.size_);
  return *this;
}

ByteStream::~ByteStream() {
  if (file_ >= 0) ::close(file_);
}

size_t ByteStream::read(char* out, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(file_, out + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(name_, ": cannot be read: ", std::strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace saobp::io
