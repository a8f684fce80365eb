#include "saobp/data/text_input.h"

#include <utility>

#include "saobp/data/json_lines.h"
#include "saobp/data/text_file.h"
#include "saobp/io/error.h"

namespace saobp::data {

TextInput::TextInput(const std::string& text, const std::string& flag, std::string text_field, NulBytes nul)
    : source_(parse_source(text, DocumentEnd::line)),
      name_(source_.path == "-" ? "standard input" : source_.path),
      text_field_(std::move(text_field)),
      nul_(nul) {
  if (source_.weight) fail_usage(flag, " ", text, ": a weight was given; only sources of --corpus have one");
  files_ = find_files(source_, {}, Streams::accepted);
}

void TextInput::each_block(const std::function<void(TextBlock&)>& use) const {
  for (const auto& file : files_) {
    const auto reader = open_text(file, document_end(source_, file), text_field_, nul_);
    for (TextBlock block; reader->next(block);) use(block);
  }
}

void TextInput::each_document(const std::function<bool(std::string_view)>& use) const {
  for (const auto& file : files_) {
    const auto reader = open_text(file, document_end(source_, file), text_field_, nul_);
    bool more = true;
    for (TextBlock block; more && reader->next(block);)
      each_text(block, text_field_, [&](std::string_view document) { more = more && use(document); });
    if (!more) return;
  }
}

void each_text(const TextBlock& block, const std::string& text_field,
               const std::function<void(std::string_view)>& document) {
  std::string buffer;
  const auto tell = [&](std::string_view raw) { document(with_line_feeds(raw, buffer)); };
  block.each_document([&](std::string_view raw) {
    if (block.end == DocumentEnd::jsonl)  // its text is like a file of its own
      split_documents(text_of_json_line(raw, block, text_field), DocumentEnd::file, tell);
    else
      tell(raw);
  });
}

}  // namespace saobp::data
