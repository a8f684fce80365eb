// Who trains in a run folder: a lock on its file .lock, which the system drops with the process that holds it, and the
// eye that a run keeps on its folder's staying where it is.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "saobp/train/distributed.h"
#include "saobp/train/reporter.h"

namespace saobp::train {

namespace fs = std::filesystem;

class RunLock {
 public:
  static constexpr const char* kFile = ".lock";

  // Opens the folder and makes its lock file; Error with the reason where that cannot be done.
  explicit RunLock(const fs::path& folder);
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&&) = delete;
  ~RunLock();

  // False when another process has it. Nothing is changed then.
  bool take();
  // Why there is no lock although take() said yes: the file system's reason for having none. Empty otherwise.
  const std::string& missing() const { return missing_; }

  // The folder was renamed by this process itself.
  void moved_to(const fs::path& folder) { folder_ = folder; }
  // Error when the folder, or the lock in it, is no longer what was opened: it was moved, removed or replaced.
  void require_in_place() const;

 private:
  fs::path folder_;
  int folder_file_ = -1, lock_file_ = -1;
  std::string missing_;
};

// Who trains in `run`, as "process 17 on node-1"; "another process" where the lock does not say; nothing when nobody
// does, or when that cannot be known.
std::optional<std::string> holder_of(const fs::path& run);

// Rank 0's lock on a run folder that is there; all ranks call this. Where another process has it: an Error that names
// it, after `patience` seconds of trying (a launcher may start a run again before the old process is gone). Throws
// Interrupted when a signal comes meanwhile.
std::optional<RunLock> lock_run(const fs::path& run, const World& world, int64_t patience, const Reporter& reporter);

// A line where the file system has no locks.
void tell_missing_lock(const RunLock& lock, const fs::path& run, const Reporter& reporter);

}  // namespace saobp::train
