// What is being written stands beside its place as NAME.partial-PID, and is locked for as long as someone writes it.
#pragma once

#include <filesystem>
#include <string>

namespace saobp::io {

namespace fs = std::filesystem;

// `target` with this process's suffix.
fs::path partial_path(const fs::path& target);

// Says that the file or folder is being written, until `file` is closed. Where the file system has no locks nothing is
// said, and nothing swept.
void lock_partial(int file);

// Removes what killed writers left in `folder` (empty: the working folder) of the target called `name`; of all targets
// where that is empty, which is for folders that only this program writes to. A file or folder counts as left when
// there is no process PID here and nobody holds its lock, which another host's writer does.
void sweep_partial(const fs::path& folder, const std::string& name = "");

// A folder that is filled aside and takes its place, or that of the folder that is there, in one step on commit().
// Links, permissions and what killed writers left are treated as those of a file (AtomicFile).
class PartialFolder {
 public:
  explicit PartialFolder(const fs::path& target);
  ~PartialFolder();
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;

  // The folder to fill.
  const fs::path& path() const { return aside_; }
  void commit();
  // False where something else than an empty folder is in the place: that stays.
  bool commit_new();

 private:
  fs::path target_, aside_;
  int lock_ = -1;
};

}  // namespace saobp::io
