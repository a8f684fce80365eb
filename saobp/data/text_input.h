// Text that a verb is given besides a corpus: whatever --corpus takes (a file, a folder, a glob, compressed, JSON
// lines, Parquet), and what can be read once only: a pipe, or "-", standard input.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/data/corpus_options.h"
#include "saobp/data/text_blocks.h"

namespace saobp::data {

class TextInput {
 public:
  // `text` is PATH[:blank|:file|:line|:jsonl], the value of `flag`; where plain text is not told how to be cut, each
  // line is a document. Error as find_files() has them; UsageError for a weight, which means nothing here.
  TextInput(const std::string& text, const std::string& flag, std::string text_field = "text",
            NulBytes nul = NulBytes::refused);

  // What messages call it.
  const std::string& name() const { return name_; }
  const std::vector<fs::path>& files() const { return files_; }

  // Calls `use` with the blocks of all files, one after the other.
  void each_block(const std::function<void(TextBlock&)>& use) const;

  // Calls `use` with each document, its line ends made LF, until it says false: the lines of plain text that are not of
  // white space only, the texts of JSON lines and of a table's rows.
  void each_document(const std::function<bool(std::string_view)>& use) const;

 private:
  CorpusSource source_;
  std::string name_, text_field_;
  NulBytes nul_;
  std::vector<fs::path> files_;
};

// Calls `document` with each document of the block, taken out of its JSON line where it is in one.
void each_text(const TextBlock& block, const std::string& text_field,
               const std::function<void(std::string_view)>& document);

}  // namespace saobp::data
