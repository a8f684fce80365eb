// The text of a file, plain, compressed or Parquet, in blocks that end where a document does: a file of any size is
// read with the memory of a few blocks, unless it is one document.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/data/corpus_options.h"
#include "saobp/io/file.h"
#include "saobp/io/input_file.h"

namespace saobp::data {

// Whether a NUL byte may stand in plain text, where it mostly means that this is none. In JSON lines and tables a
// string may hold U+0000 in any case.
enum class NulBytes { refused, accepted };

struct TextBlock {
  std::string source;  // what messages call the file
  DocumentEnd end;
  std::string text;        // UTF-8
  io::TextPosition start;  // of the text within the (decompressed) file
  // Where parts of `text` end of which each is like a file of its own: the rows of a table. None: it is one such part.
  std::vector<size_t> parts = {};

  // The line of the file in which a piece of `text` starts.
  uint64_t line_of(std::string_view piece) const;
  // Calls `document` with each document as split_documents() cuts it.
  void each_document(const std::function<void(std::string_view)>& document) const;
};

// A file read from front to end.
class TextReader {
 public:
  static constexpr size_t kBlockBytes = 4 << 20;

  virtual ~TextReader() = default;
  // The next block; false at the end of the file. Error when the text is not UTF-8, has NUL bytes, or the file is
  // damaged.
  virtual bool next(TextBlock& block) = 0;
  // About how many bytes of the file, as it is stored, were read.
  virtual uint64_t position() const = 0;
};

// A reader of whatever the first bytes of a file, a pipe or "-" (standard input) say it is. `text_field` is the column
// of a table that holds the text.
std::unique_ptr<TextReader> open_text(const io::fs::path& path, DocumentEnd end, const std::string& text_field,
                                      NulBytes nul = NulBytes::refused);

class TextBlocks : public TextReader {
 public:
  // `block_bytes` is what a block has at least, but for the last. Error when the file is UTF-16 or UTF-32.
  TextBlocks(io::InputFile file, DocumentEnd end, size_t block_bytes = kBlockBytes, NulBytes nul = NulBytes::refused);

  // A byte-order mark at the file's front is left out. Errors give line and byte offset.
  bool next(TextBlock& block) override;
  uint64_t position() const override { return file_.position(); }

 private:
  void begin(std::string& text);
  // How many bytes of `text` are whole documents, as far as that is sure; nothing ends before `from`.
  size_t whole_documents(std::string_view text, size_t from) const;

  io::InputFile file_;
  std::string source_;
  DocumentEnd end_;
  size_t block_bytes_;
  NulBytes nul_;
  std::string rest_;  // read, but not part of a block yet
  io::TextPosition start_;
};

}  // namespace saobp::data
