#include "saobp/train/run_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "saobp/io/json.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/run_folder.h"

namespace saobp::train {
namespace {

// One lock a file, owned by the open file: another object in the same process has to wait like anybody else.
struct flock whole_file() {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

void write_holder(int file) {
  char host[256] = "unknown";
  ::gethostname(host, sizeof host - 1);
  const auto text = io::Json({{"process", ::getpid()}, {"host", host}, {"since", timestamp()}})
                        .dump(-1, ' ', false, io::Json::error_handler_t::replace) +
                    "\n";
  // For messages only: a disk without room for it changes nothing about the lock.
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, text.data(), text.size(), 0) < 0) return;
}

std::string read_holder(int file) {
  char text[1024];
  const ssize_t size = ::pread(file, text, sizeof text, 0);
  const auto json = io::Json::parse(text, text + std::max<ssize_t>(0, size), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("process") || !json.contains("host") ||
      !json["process"].is_number_integer() || !json["host"].is_string())
    return "another process";
  return concat("process ", json["process"].get<int64_t>(), " on ", json["host"].get<std::string>());
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

bool is_at(int file, const fs::path& path) {
  struct stat opened{}, found{};
  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &found) == 0 && same_file(opened, found);
}

}  // namespace

RunLock::RunLock(const fs::path& folder) : folder_(folder) {
  const auto path = folder / kFile;
  folder_file_ = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder_file_ < 0) fail(folder.string(), ": this folder cannot be opened: ", std::strerror(errno));
  lock_file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_file_ >= 0) return;
  const int error = errno;
  ::close(folder_file_);
  fail(path.string(), ": cannot be opened for writing: ", std::strerror(error));
}

RunLock::RunLock(RunLock&& other) noexcept
    : folder_(std::move(other.folder_)),
      folder_file_(std::exchange(other.folder_file_, -1)),
      lock_file_(std::exchange(other.lock_file_, -1)),
      missing_(std::move(other.missing_)) {}

RunLock::~RunLock() {
  if (lock_file_ >= 0) ::close(lock_file_);
  if (folder_file_ >= 0) ::close(folder_file_);
}

bool RunLock::take() {
  auto lock = whole_file();
  if (::fcntl(lock_file_, F_OFD_SETLK, &lock) == 0) {
    write_holder(lock_file_);
    return true;
  }
  if (errno == EAGAIN || errno == EACCES) return false;
  missing_ = std::strerror(errno);
  return true;
}

void RunLock::require_in_place() const {
  if (is_at(folder_file_, folder_) && is_at(lock_file_, folder_ / kFile)) return;
  fail(folder_.string(), ": this folder, or ", kFile,
       " in it, was moved, removed or replaced while the run trained; its newest checkpoint is where the folder went");
}

std::optional<std::string> holder_of(const fs::path& run) {
  const int file = ::open((run / RunLock::kFile).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  auto lock = whole_file();
  std::optional<std::string> holder;
  if (::fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) holder = read_holder(file);
  ::close(file);
  return holder;
}

std::optional<RunLock> lock_run(const fs::path& run, const World& world, int64_t patience, const Reporter& reporter) {
  std::optional<RunLock> lock;
  if (world.is_first()) lock.emplace(run);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(patience);
  for (bool said = false;; said = true) {
    const bool taken = lock && lock->take(), late = lock && std::chrono::steady_clock::now() >= deadline;
    const auto sums = world.sum({taken ? 1.0 : 0.0, late ? 1.0 : 0.0, InterruptGuard::interrupted() ? 1.0 : 0.0});
    if (sums[0] > 0) break;
    if (sums[2] > 0) throw Interrupted();
    const auto holder = holder_of(run).value_or("another process");
    if (sums[1] > 0)
      fail(run.string(), ": ", holder, " trains in this folder; only one can at a time: end it, or wait for its end");
    if (!said) reporter.note("waiting", "for the end of ", holder, ", which trains in ", run.string());
    if (world.is_first()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (lock) tell_missing_lock(*lock, run, reporter);
  return lock;
}

void tell_missing_lock(const RunLock& lock, const fs::path& run, const Reporter& reporter) {
  if (lock.missing().empty()) return;
  reporter.note("lock", run.string(), ": this file system has no locks (", lock.missing(),
                "): nothing keeps a second process from training in this folder");
}

}  // namespace saobp::train
