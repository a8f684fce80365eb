// A file's contents from front to end, in pieces, decompressed on the way where it is a gzip or zstd file. That is told
// by its first bytes, not by its name. Streams that follow each other in one file (as `cat a.gz b.gz` and parallel
// compressors make them) are read as one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "saobp/io/file.h"

namespace saobp::io {

class InputFile {
 public:
  // Error for a file that cannot be read, for one whose name ends in .gz or .zst but that is too short to be one, and,
  // saying how to convert it, for formats that are known and not read: xz, bzip2, zip.
  explicit InputFile(const fs::path& path);
  InputFile(InputFile&&) noexcept;
  ~InputFile();

  // Appends up to `size` bytes of the contents to `out` and gives their number, which is 0 at the end only. Error with
  // the path and the byte offset within the file where a stream is damaged or ends too early.
  size_t read(std::string& out, size_t size);

  // The file as it is stored.
  std::string_view stored() const { return file_.text(); }
  // How many of these bytes were taken so far.
  uint64_t position() const { return position_; }
  // read() decompresses.
  bool compressed() const { return decoder_ != nullptr; }

  // Takes one compressed stream after the other; what it is made of is the library's.
  class Decoder;

 private:
  MappedFile file_;
  uint64_t position_ = 0;
  std::unique_ptr<Decoder> decoder_;  // none: the bytes are the contents
};

}  // namespace saobp::io
