// A text file of any kind, after one byte: how it is cut into documents (its lowest two bits) and in what steps it is
// read.
#include <span>

#include "saobp/data/json_lines.h"
#include "saobp/data/text_blocks.h"
#include "saobp/data/text_file.h"
#include "saobp/io/json.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace saobp;
using data::DocumentEnd;

struct Documents {
  std::vector<std::string> texts;
  bool whole = false;  // the file was read to its end

  bool operator==(const Documents&) const = default;
};

// Every document as the rows are made of them, as far as the file can be read.
Documents read(const io::fs::path& path, DocumentEnd end, size_t block_bytes) {
  Documents documents;
  documents.whole = fuzz::attempt([&] {
    data::TextBlocks blocks(io::InputFile(path), end, block_bytes);
    data::TextBlock block;
    std::string buffer;
    while (blocks.next(block))
      block.each_document([&](std::string_view document) {
        if (end == DocumentEnd::jsonl) {
          documents.texts.push_back(data::text_of_json_line(document, block, "text"));
          const std::string line = io::Json{{"text", documents.texts.back()}}.dump();
          fuzz::require(data::text_of_json_line(line, {"copy", end, line, {}, {}}, "text") == documents.texts.back(),
                        "a text that is written as a JSON line is read as the same");
        } else {
          const auto text = data::with_line_feeds(document, buffer);
          fuzz::require(text.find('\r') == std::string_view::npos, "documents have LF");
          fuzz::require(!data::is_white_space(text), "documents have something in them");
          documents.texts.emplace_back(text);
        }
      });
    fuzz::require(blocks.position() == io::fs::file_size(path), "the whole file was read");
  });
  return documents;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  if (size == 0) return 0;
  constexpr DocumentEnd kEnds[] = {DocumentEnd::blank, DocumentEnd::line, DocumentEnd::file, DocumentEnd::jsonl};
  const auto path = folder.write("file", fuzz::whole(data, size).substr(1));
  const DocumentEnd end = kEnds[data[0] % 4];
  const auto at_once = read(path, end, data::TextReader::kBlockBytes);
  // Smaller steps would make a compressed file of 64 kB, which may hold megabytes, take minutes.
  const auto in_steps = read(path, end, size_t{16} << data[0] / 4 % 16);
  fuzz::require(in_steps.whole == at_once.whole, "reading in steps ends as reading at once does");
  if (at_once.whole) fuzz::require(in_steps.texts == at_once.texts, "documents do not depend on the steps");
  return 0;
}
