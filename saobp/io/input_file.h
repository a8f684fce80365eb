// A file's contents from front to end, in pieces, decompressed on the way where it is a gzip or zstd file. That is told
// by its first bytes, not by its name. Streams that follow each other in one file (as `cat a.gz b.gz` and parallel
// compressors make them) are read as one, and zeros behind a stream, with which tapes fill their blocks, are passed
// over.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/io/byte_stream.h"

namespace saobp::io {

// The end of a name as formats are told by it, in lower case: ".jsonl" of "Part.JSONL"; empty where there is none.
std::string lower_extension(const fs::path& path);
// .gz, .gzip, .zst or .zstd, in any case.
bool has_compressed_name(const fs::path& path);

class InputFile {
 public:
  // A file or a pipe; "-" is standard input. Error for what cannot be read, for a file whose name says that it is
  // compressed but that is too short for it, and, saying how to convert it, for formats that are known and not read:
  // xz, bzip2, zip.
  explicit InputFile(const fs::path& path);
  InputFile(InputFile&&) noexcept;
  ~InputFile();

  // Appends up to `size` bytes of the contents to `out` and gives their number, which is 0 at the end only. Error with
  // the path and the byte offset within the file where a stream is damaged or ends too early.
  size_t read(std::string& out, size_t size);

  // What messages call it.
  const std::string& name() const { return file_.name(); }
  // The first bytes as they are stored, some thousand or all there are, while read() was not called.
  std::string_view start() const { return {input_.data(), input_.size()}; }
  // Bytes of a regular file as it is stored (of others 0), and how many were taken so far.
  uint64_t size() const { return file_.size(); }
  uint64_t position() const { return position_; }
  // It can be read again.
  bool regular() const { return file_.regular(); }
  // read() decompresses.
  bool compressed() const { return decoder_ != nullptr; }

  // Takes one compressed stream after the other; what it is made of is the library's.
  class Decoder;

 private:
  void refill();
  size_t decode(std::span<char> output);
  size_t take(std::span<char> output);

  ByteStream file_;
  std::vector<char> buffer_;
  std::span<const char> input_;  // what of the buffer was not taken yet
  uint64_t position_ = 0;
  std::unique_ptr<Decoder> decoder_;  // none: the bytes are the contents
};

}  // namespace saobp::io
