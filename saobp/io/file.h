// Files: whole reads, memory maps, and writes that are aside first and renamed when complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "saobp/io/error.h"

struct stat;

namespace saobp::io {

namespace fs = std::filesystem;

// What a file that is written and read as one document (JSON, a tokenizer) has at most.
constexpr uint64_t kLargestDocument = uint64_t{1} << 30;

// The whole file, or all that comes from a pipe. Throws Error naming the path when it is missing, a folder or a device,
// unreadable, or larger than `most` bytes (a pipe: than kLargestDocument), and when nothing comes from a pipe for ten
// seconds.
std::string read_file(const fs::path& path, uint64_t most = UINT64_MAX);

// "a folder", "a pipe", "a device" …, for messages; `mode` as stat() gives it.
const char* kind_of_file(unsigned mode);

// A read-only memory map of a whole regular file; an empty file maps to an empty span. Where the file is cut short
// later, or its disk fails, the program says so in one line and ends with code 1 when it comes to what is not there.
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

// Writes to TARGET.partial-PID and renames on commit(), so that a reader sees the old file or the new one, never a
// half. TARGET is what `path` leads to through symbolic links, which stay; it need not exist. A file that is replaced
// passes on its permissions, and its owner where the system allows that. What killed writers left of TARGET goes
// (io/partial.h).
//
// What is no regular file (a device, a named pipe, /dev/stdout and the other descriptors of this program) is written to
// in place; of a pipe that nobody reads, Error after ten seconds.
//
// Every failure (no room, no permission) throws Error with the path and the system's reason; a file that was not
// committed is removed.
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
  int open_aside(const fs::path& target, const struct stat* replaced);
  [[noreturn]] void fail_write(int error);
  fs::path path_, target_, aside_;  // as given; behind links; empty where it is written in place
  std::FILE* file_ = nullptr;
};

// Standard output is a pipe whose reader has gone: nobody wants the rest.
class OutputClosed : public Error {
 public:
  OutputClosed() : Error("standard output was closed") {}
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

// The length of the well-formed UTF-8 sequence at the front of `text`, or 0.
size_t utf8_sequence(std::string_view text);

// Throws Error naming byte offset and line (both of the first bad byte; line from 1, offset from 0) when `text` is
// not UTF-8. `source` is what the message calls it, usually the path; `start` is where it has `text`.
void require_utf8(std::string_view text, std::string_view source, const TextPosition& start = {});

}  // namespace saobp::io
