#include "saobp/io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "saobp/io/error.h"

namespace saobp::io {
namespace {

// Opens for reading and gives the size; folders and missing files end here with one clear line.
int open_for_reading(const fs::path& path, size_t& size) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path.string(), ": cannot be opened: ", std::strerror(errno));
  struct stat status{};
  if (::fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
    bool folder = S_ISDIR(status.st_mode);
    ::close(fd);
    fail(path.string(), folder ? ": is a folder; a file was expected" : ": cannot be examined");
  }
  size = static_cast<size_t>(status.st_size);
  return fd;
}

}  // namespace

std::string read_file(const fs::path& path) {
  size_t size = 0;
  int fd = open_for_reading(path, size);
  std::string text;
  text.reserve(size);
  char buffer[1 << 16];
  // Reads to the end rather than `size` bytes: pipes and /proc files report zero.
  for (;;) {
    ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      int error = errno;
      ::close(fd);
      fail(path.string(), ": cannot be read: ", std::strerror(error));
    }
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  ::close(fd);
  return text;
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  int fd = open_for_reading(path, size_);
  if (size_ > 0) {
    void* map = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    int error = errno;
    if (map == MAP_FAILED) {
      ::close(fd);
      fail(path.string(), ": cannot be mapped: ", std::strerror(error));
    }
    data_ = static_cast<const std::byte*>(map);
  }
  ::close(fd);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  aside_ = path_;
  aside_ += concat(".partial-", ::getpid());
  file_ = std::fopen(aside_.c_str(), "wb");
  if (!file_) fail(path_.string(), ": cannot be created: ", std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  std::fclose(file_);
  ::unlink(aside_.c_str());
}

void AtomicFile::fail_write(int error) {
  fail(path_.string(), ": cannot be written: ", std::strerror(error), " (nothing was changed)");
}

void AtomicFile::write(const void* data, size_t size) {
  if (size > 0 && std::fwrite(data, 1, size, file_) != size) fail_write(errno);
}

void AtomicFile::commit() {
  if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) fail_write(errno);
  std::FILE* file = std::exchange(file_, nullptr);
  bool failed = std::fclose(file) != 0 || std::rename(aside_.c_str(), path_.c_str()) != 0;
  if (failed) {
    int error = errno;
    ::unlink(aside_.c_str());
    fail_write(error);
  }
}

void write_file(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

AppendedFile::AppendedFile(fs::path path, Open how) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (how == Open::new_only ? O_EXCL : 0), 0666);
  if (file_ < 0) fail(path_.string(), ": cannot be opened for writing: ", std::strerror(errno));
}

AppendedFile::~AppendedFile() { ::close(file_); }

void AppendedFile::append(std::string_view record) {
  const off_t before = ::lseek(file_, 0, SEEK_END);
  for (size_t done = 0; done < record.size();) {
    const ssize_t written = ::write(file_, record.data() + done, record.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      const bool taken_back = before >= 0 && ::ftruncate(file_, before) == 0;
      fail(path_.string(), ": cannot be written: ", std::strerror(error),
           taken_back ? "" : " (its last record is cut)");
    }
    done += static_cast<size_t>(written);
  }
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path, error))
    fail(path.string(), ": this folder cannot be made: ", error ? error.message() : "a file has that name");
}

namespace {

// The length of the well-formed UTF-8 sequence at the front of `s` (Unicode 15, table 3-7), or 0.
size_t utf8_sequence(const unsigned char* s, size_t left) {
  auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < left && s[i] >= low && s[i] <= high;
  };
  unsigned char b = s[0];
  if (b < 0x80) return 1;
  if (b >= 0xC2 && b <= 0xDF) return continues(1) ? 2 : 0;
  if (b >= 0xE0 && b <= 0xEF)
    return continues(1, b == 0xE0 ? 0xA0 : 0x80, b == 0xED ? 0x9F : 0xBF) && continues(2) ? 3 : 0;
  if (b >= 0xF0 && b <= 0xF4)
    return continues(1, b == 0xF0 ? 0x90 : 0x80, b == 0xF4 ? 0x8F : 0xBF) && continues(2) && continues(3) ? 4 : 0;
  return 0;
}

}  // namespace

void require_utf8(std::string_view text, std::string_view source, const TextPosition& start) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data());
  size_t i = 0, n = text.size();
  while (i < n) {
    // Most text is ASCII: eight bytes at a time.
    uint64_t word;
    while (i + 8 <= n && (std::memcpy(&word, s + i, 8), (word & 0x8080808080808080ull) == 0)) i += 8;
    if (i >= n) break;
    size_t length = utf8_sequence(s + i, n - i);
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
