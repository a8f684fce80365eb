// Files that are written: aside first, in place, or appended to.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "saobp/io/file.h"
#include "saobp/io/partial.h"
#include "saobp/io/paths.h"

namespace saobp::io {
namespace {

// Opens what is no regular file. A pipe's reader may come a little later than we do.
int open_device(const fs::path& path, std::string_view name) {
  constexpr auto kPause = std::chrono::milliseconds(20), kPatience = std::chrono::milliseconds(10'000);
  for (auto waited = kPause * 0;; waited += kPause) {
    const int file = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file >= 0) {
      ::fcntl(file, F_SETFL, ::fcntl(file, F_GETFL) & ~O_NONBLOCK);
      return file;
    }
    if (errno == EINTR) continue;
    if (errno != ENXIO) fail(name, ": cannot be opened for writing: ", std::strerror(errno));
    if (waited >= kPatience) fail(name, ": nobody reads from this pipe; a reader was waited for ten seconds");
    std::this_thread::sleep_for(kPause);
  }
}

// As those of the file that it replaces.
void set_permissions(int file, const struct stat& replaced) {
  // Giving a file away takes privileges; a group of one's own may still be set.
  if (::fchown(file, replaced.st_uid, replaced.st_gid) != 0 &&
      ::fchown(file, static_cast<uid_t>(-1), replaced.st_gid) != 0)
    errno = 0;
  ::fchmod(file, replaced.st_mode & 07777);
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  const Destination to = destination_of(path_);
  struct stat there{};
  const bool exists = ::stat(to.path.c_str(), &there) == 0;
  int file = -1;
  if (to.descriptor >= 0)
    file = ::fcntl(to.descriptor, F_DUPFD_CLOEXEC, 0);
  else if (exists && S_ISDIR(there.st_mode))
    fail(path_.string(), ": is a folder; a file was expected");
  else if (exists && !S_ISREG(there.st_mode))
    file = open_device(to.path, path_.string());
  else
    file = open_aside(to.path, exists ? &there : nullptr);
  if (file >= 0) file_ = ::fdopen(file, "wb");
  if (!file_) fail(path_.string(), ": cannot be opened for writing: ", std::strerror(errno));
}

int AtomicFile::open_aside(const fs::path& target, const struct stat* replaced) {
  sweep_partial(target.parent_path(), target.filename().string());
  const auto aside = partial_path(target);
  // Nobody may read what replaces a private file while it is written.
  const int file = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, replaced ? 0600 : 0666);
  if (file < 0) fail(path_.string(), ": cannot be created: ", std::strerror(errno));
  lock_partial(file);
  if (replaced) set_permissions(file, *replaced);
  target_ = target, aside_ = aside;
  return file;
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  if (!aside_.empty()) ::unlink(aside_.c_str());
  std::fclose(file_);
}

void AtomicFile::fail_write(int error) {
  if (error == EPIPE && is_standard_output(path_)) throw OutputClosed();
  fail(path_.string(), ": cannot be written: ", std::strerror(error), aside_.empty() ? "" : " (nothing was changed)");
}

void AtomicFile::write(const void* data, size_t size) {
  if (size > 0 && std::fwrite(data, 1, size, file_) != size) fail_write(errno);
}

void AtomicFile::commit() {
  if (std::fflush(file_) != 0) fail_write(errno);
  // Pipes and most devices have nothing to flush to.
  if (::fsync(::fileno(file_)) != 0 && !(aside_.empty() && (errno == EINVAL || errno == EROFS || errno == ENOTSUP)))
    fail_write(errno);
  // Closed after the rename: until then the lock says that the file is being written.
  if (!aside_.empty() && std::rename(aside_.c_str(), target_.c_str()) != 0) fail_write(errno);
  if (std::fclose(std::exchange(file_, nullptr)) != 0) fail_write(errno);
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

}  // namespace saobp::io
