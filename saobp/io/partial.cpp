#include "saobp/io/partial.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/number.h"
#include "saobp/io/paths.h"

namespace saobp::io {
namespace {

constexpr std::string_view kMark = ".partial-";

// The PID in NAME.partial-PID, where NAME is `name` or, if that is empty, any; 0 for other names.
pid_t writer_of(std::string_view file, std::string_view name) {
  const size_t mark = file.rfind(kMark);
  if (mark == 0 || mark == std::string_view::npos || (!name.empty() && file.substr(0, mark) != name)) return 0;
  return std::max<pid_t>(number_in<pid_t>(file.substr(mark + kMark.size())).value_or(0), 0);
}

// One of this process's own number that nobody has locked is of an earlier life, as in containers.
bool may_be_left(pid_t pid) { return pid == ::getpid() || (::kill(pid, 0) != 0 && errno == ESRCH); }

void remove_if_left(const fs::path& path) {
  const bool folder = fs::is_directory(path);
  const int file =
      ::open(path.c_str(), (folder ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return;
  std::error_code ignored;
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) fs::remove_all(path, ignored);
  ::close(file);
}

}  // namespace

fs::path partial_path(const fs::path& target) { return target.string() + concat(kMark, ::getpid()); }

void lock_partial(int file) {
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) errno = 0;
}

void sweep_partial(const fs::path& folder, const std::string& name) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, error))
    if (const pid_t pid = writer_of(entry.path().filename().native(), name); pid > 0 && may_be_left(pid))
      found.push_back(entry.path());
  for (const auto& path : found) remove_if_left(path);
}

PartialFolder::PartialFolder(const fs::path& target) : target_(destination_of(target).path) {
  if (!target_.has_filename()) target_ = target_.parent_path();  // runs/x/
  sweep_partial(target_.parent_path(), target_.filename().string());
  aside_ = partial_path(target_);
  make_folder(aside_);
  lock_ = ::open(aside_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ >= 0) lock_partial(lock_);
  struct stat replaced{};
  if (lock_ >= 0 && ::stat(target_.c_str(), &replaced) == 0) {
    if (::fchown(lock_, replaced.st_uid, replaced.st_gid) != 0) errno = 0;
    ::fchmod(lock_, replaced.st_mode & 07777);
  }
}

PartialFolder::~PartialFolder() {
  std::error_code ignored;
  fs::remove_all(aside_, ignored);  // after commit(): what stood at the target before
  if (lock_ >= 0) ::close(lock_);
}

void PartialFolder::commit() {
  const bool replaces = fs::exists(target_);
  if (::renameat2(AT_FDCWD, aside_.c_str(), AT_FDCWD, target_.c_str(), replaces ? RENAME_EXCHANGE : 0) != 0)
    fail(target_.string(), ": cannot be ", replaces ? "replaced: " : "made: ", std::strerror(errno));
}

bool PartialFolder::commit_new() {
  if (::rename(aside_.c_str(), target_.c_str()) == 0) return true;
  if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
    fail(target_.string(), ": this folder cannot be made: ", std::strerror(errno));
  return false;
}

}  // namespace saobp::io
