// The text of a file, plain or compressed, in blocks that end where a document does: a file of any size is read with
// the memory of a few blocks, unless it is one document.
#pragma once

#include <string>
#include <string_view>

#include "saobp/data/corpus_options.h"
#include "saobp/io/input_file.h"

namespace saobp::data {

struct TextBlock {
  std::string source;  // what messages call the file
  DocumentEnd end;
  std::string text;        // UTF-8 without NUL
  io::TextPosition start;  // of the text within the (decompressed) file

  // The line of the file in which a part of `text` starts.
  uint64_t line_of(std::string_view part) const;
};

class TextBlocks {
 public:
  static constexpr size_t kBlockBytes = 4 << 20;

  // Errors as InputFile has them. `block_bytes` is what a block has at least, but for the last.
  TextBlocks(const io::fs::path& path, DocumentEnd end, size_t block_bytes = kBlockBytes);

  // The next block; false at the end of the file. A byte-order mark at the file's front is left out. Error when the
  // text is not UTF-8, has NUL bytes (both with line and byte offset), or a compressed stream is damaged.
  bool next(TextBlock& block);

  // The file as it is stored, and how many of its bytes were read.
  std::string_view stored() const { return file_.stored(); }
  uint64_t position() const { return file_.position(); }

 private:
  // How many bytes of `text` are whole documents, as far as that is sure; nothing ends before `from`.
  size_t whole_documents(std::string_view text, size_t from) const;

  io::InputFile file_;
  std::string source_;
  DocumentEnd end_;
  size_t block_bytes_;
  std::string rest_;  // read, but not part of a block yet
  io::TextPosition start_;
};

}  // namespace saobp::data
