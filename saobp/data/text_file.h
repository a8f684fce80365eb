// A text cut into documents.
//
// Lines end with LF, CR LF or a lone CR (more than one CR before an LF belong to that one line end); documents have LF.
// With DocumentEnd::blank a document is a run of lines that are not of white space only (Unicode's White_Space); with
// DocumentEnd::line and jsonl it is each such line; with DocumentEnd::file it is everything from the first such line to
// the last one. Its last line end is not part of it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "saobp/data/corpus_options.h"
#include "saobp/io/file.h"

namespace saobp::data {

// Error when `text` is not UTF-8 or has NUL bytes: `source` (the path), line (counted by LF, from 1), byte offset, both
// within what has `text` at `start`.
void require_text(std::string_view text, std::string_view source, const io::TextPosition& start = {});

// Calls `document` with each document's bytes as they stand in the text, line ends included.
void split_documents(std::string_view text, DocumentEnd end, const std::function<void(std::string_view)>& document);

// The document with LF for every line end; a view of `document` itself when there is nothing to change, else of
// `buffer`.
std::string_view with_line_feeds(std::string_view document, std::string& buffer);

// No character that is not White_Space.
bool is_white_space(std::string_view utf8);

}  // namespace saobp::data
