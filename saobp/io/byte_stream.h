// A file's bytes from front to end, as they are stored. It is read, never mapped: one that shrinks meanwhile ends
// early.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace saobp::io {

namespace fs = std::filesystem;

class ByteStream {
 public:
  // A file, a pipe or a device; "-" is standard input. Error with the path where it is missing, a folder or unreadable.
  explicit ByteStream(const fs::path& path);
  ByteStream(ByteStream&& other) noexcept;
  ByteStream& operator=(ByteStream&& other) noexcept;
  ~ByteStream();

  // Fills `out` as far as the file goes and gives the number of bytes: fewer than `size` at the end only.
  size_t read(char* out, size_t size);

  // What messages call it.
  const std::string& name() const { return name_; }
  // A regular file, which can be read again and from any place.
  bool regular() const { return regular_; }
  // Of a regular file when it was opened; of others 0.
  uint64_t size() const { return size_; }

 private:
  std::string name_;
  int file_ = -1;
  bool regular_ = false;
  uint64_t size_ = 0;
};

}  // namespace saobp::io
