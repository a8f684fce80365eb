#include "saobp/data/text_blocks.h"

#include <algorithm>
#include <utility>

#include "saobp/data/parquet_text.h"
#include "saobp/data/text_file.h"
#include "saobp/io/error.h"

namespace saobp::data {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

uint64_t line_feeds(std::string_view text) { return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

uint64_t TextBlock::line_of(std::string_view piece) const {
  return start.line + line_feeds({text.data(), static_cast<size_t>(piece.data() - text.data())});
}

void TextBlock::each_document(const std::function<void(std::string_view)>& document) const {
  const std::string_view all = text;
  if (parts.empty()) return split_documents(all, end, document);
  size_t begin = 0;
  for (size_t stop : parts) {
    split_documents(all.substr(begin, stop - begin), end, document);
    begin = stop;
  }
}

std::unique_ptr<TextReader> open_text(const io::fs::path& path, DocumentEnd end, const std::string& text_field,
                                      NulBytes nul) {
  io::InputFile file(path);
  if (is_parquet(file.start())) return open_parquet(std::move(file), path, text_field);
  return std::make_unique<TextBlocks>(std::move(file), end, TextReader::kBlockBytes, nul);
}

TextBlocks::TextBlocks(io::InputFile file, DocumentEnd end, size_t block_bytes, NulBytes nul)
    : file_(std::move(file)), source_(file_.name()), end_(end), block_bytes_(block_bytes), nul_(nul) {
  if (file_.compressed()) source_ += " (decompressed)";
}

// At the file's front.
void TextBlocks::begin(std::string& text) {
  for (const std::string_view mark : {"\xFF\xFE", "\xFE\xFF"})
    if (text.starts_with(mark))
      fail(source_,
           ": begins as UTF-16 or UTF-32 does; UTF-8 text was expected (convert it, e.g. with iconv -f UTF-16 -t "
           "UTF-8)");
  if (!text.starts_with(kByteOrderMark)) return;
  text.erase(0, kByteOrderMark.size());
  start_.offset = kByteOrderMark.size();
}

size_t TextBlocks::whole_documents(std::string_view text, size_t from) const {
  constexpr size_t kNone = std::string_view::npos;
  if (end_ == DocumentEnd::file) return 0;
  size_t stop = text.rfind('\n');
  if (end_ != DocumentEnd::blank) return stop == kNone ? 0 : stop + 1;
  while (stop != kNone && stop >= from) {  // backwards, line by line, to one of white space
    const size_t before = stop == 0 ? kNone : text.rfind('\n', stop - 1);
    const size_t start = before == kNone ? 0 : before + 1;
    if (is_white_space(text.substr(start, stop - start))) return stop + 1;
    stop = before;
  }
  return 0;
}

bool TextBlocks::next(TextBlock& block) {
  std::string text = std::exchange(rest_, {});
  size_t whole = 0;
  while (whole == 0) {
    const size_t searched = text.size();
    if (file_.read(text, block_bytes_) == 0) {
      whole = text.size();
      break;
    }
    if (start_.offset == 0) begin(text);
    whole = whole_documents(text, searched);
  }
  if (whole == 0) return false;
  rest_ = text.substr(whole);
  text.resize(whole);
  nul_ == NulBytes::refused ? require_text(text, source_, start_) : io::require_utf8(text, source_, start_);
  block = {source_, end_, std::move(text), start_};
  start_.line += line_feeds(block.text);
  start_.offset += block.text.size();
  return true;
}

}  // namespace saobp::data
