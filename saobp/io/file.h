// Files: whole reads, memory maps, and writes that are aside first and renamed when complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace saobp::io {

namespace fs = std::filesystem;

// The whole file. Throws Error naming the path when it is missing, a folder, or unreadable.
std::string read_file(const fs::path& path);

// A read-only memory map of a whole file; an empty file maps to an empty span.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const fs::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  fs::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Writes to `path` + ".partial-PID" and renames on commit(), so that a reader sees the old file or the new one, never
// a half. Every failure (no room, no permission) throws Error with the path and the system's reason; a file that was
// not committed is removed.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Flushes to the disk, then renames.
  void commit();

 private:
  [[noreturn]] void fail_write(int error);
  fs::path path_, aside_;
  std::FILE* file_ = nullptr;
};

void write_file(const fs::path& path, std::string_view text);

// A log that grows by whole records: one that does not fit (no room) is taken back, so that the file ends with the one
// before. Failures throw Error with the path and the system's reason.
class AppendedFile {
 public:
  enum class Open { existing_or_new, new_only };
  AppendedFile(fs::path path, Open how);
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  const fs::path& path() const { return path_; }
  // In the file when this returns, where other programs see it.
  void append(std::string_view record);

 private:
  fs::path path_;
  int file_;
};

// Makes the folder and its parents; Error with the reason when that fails.
void make_folder(const fs::path& path);

// Where a piece of a text starts in the whole of it.
struct TextPosition {
  uint64_t line = 1, offset = 0;  // line from 1, in bytes from 0
};

// Throws Error naming byte offset and line (both of the first bad byte; line from 1, offset from 0) when `text` is
// not UTF-8. `source` is what the message calls it, usually the path; `start` is where it has `text`.
void require_utf8(std::string_view text, std::string_view source, const TextPosition& start = {});

}  // namespace saobp::io
