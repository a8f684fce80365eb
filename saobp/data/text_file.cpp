#include "saobp/data/text_file.h"

#include <algorithm>
#include <cstring>

#include "saobp/io/error.h"

namespace saobp::data {
namespace {

// Bytes of the White_Space character at the front of `s` (Unicode 15, PropList.txt), or 0.
size_t white_space_at(std::string_view s) {
  unsigned char a = s[0];
  if (a == ' ' || (a >= 0x09 && a <= 0x0D)) return 1;
  if (a < 0x80) return 0;
  if (s.starts_with("\xC2\x85") || s.starts_with("\xC2\xA0")) return 2;  // U+0085, U+00A0
  if (s.size() < 3) return 0;
  std::string_view first = s.substr(0, 2);
  unsigned char c = s[2];
  bool space = (first == "\xE1\x9A" && c == 0x80) ||                                      // U+1680
               (first == "\xE2\x80" && c >= 0x80 && c <= 0x8A) ||                         // U+2000 … U+200A
               (first == "\xE2\x80" && (c == 0xA8 || c == 0xA9 || c == 0xAF)) ||          // U+2028, U+2029, U+202F
               (first == "\xE2\x81" && c == 0x9F) || (first == "\xE3\x80" && c == 0x80);  // U+205F, U+3000
  return space ? 3 : 0;
}

// A line end and how many lines it ends: more than one where carriage returns follow each other without a line feed.
struct LineEnd {
  size_t next;   // where the following line starts
  size_t count;  // 0 at the end of the text
};

LineEnd line_end_at(std::string_view text, size_t at) {
  size_t next = at;
  while (next < text.size() && text[next] == '\r') ++next;
  if (next < text.size() && text[next] == '\n') return {next + 1, 1};
  return {next, next - at};
}

size_t find_line_end(std::string_view text, size_t at) {
  while (at < text.size() && text[at] != '\n' && text[at] != '\r') ++at;
  return at;
}

}  // namespace

bool is_white_space(std::string_view utf8) {
  while (!utf8.empty()) {
    size_t size = white_space_at(utf8);
    if (size == 0) return false;
    utf8.remove_prefix(size);
  }
  return true;
}

void require_text(std::string_view text, std::string_view source, const io::TextPosition& start) {
  size_t nul = text.find('\0');
  if (nul != std::string_view::npos) {
    const auto lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    fail(source, ": line ", start.line + static_cast<uint64_t>(lines), ", byte offset ", start.offset + nul,
         ": a NUL byte; this is a binary file, UTF-8 text was expected");
  }
  io::require_utf8(text, source, start);
}

void split_documents(std::string_view text, DocumentEnd end, const std::function<void(std::string_view)>& document) {
  constexpr size_t kNone = std::string_view::npos;
  size_t start = kNone, stop = 0;  // of the document so far: its first line's start, its last line's end
  auto finish = [&] {
    if (start != kNone) document(text.substr(start, stop - start));
    start = kNone;
  };
  for (size_t line = 0; line < text.size();) {
    size_t line_stop = find_line_end(text, line);
    bool blank = is_white_space(text.substr(line, line_stop - line));
    if (!blank) {
      if (start == kNone) start = line;
      stop = line_stop;
    }
    LineEnd line_end = line_end_at(text, line_stop);
    if (end == DocumentEnd::blank ? blank || line_end.count > 1 : end != DocumentEnd::file) finish();
    line = line_end.next;
  }
  finish();
}

std::string_view with_line_feeds(std::string_view document, std::string& buffer) {
  if (document.find('\r') == std::string_view::npos) return document;
  buffer.clear();
  for (size_t at = 0; at < document.size();) {
    size_t stop = find_line_end(document, at);
    buffer.append(document, at, stop - at);
    LineEnd line_end = line_end_at(document, stop);
    buffer.append(line_end.count, '\n');
    at = line_end.next;
  }
  return buffer;
}

}  // namespace saobp::data
