#include "saobp/tasks/documents.h"

#include <algorithm>

#include "saobp/text/unicode.h"
#include "saobp/text/utf8.h"

namespace saobp::tasks {
namespace {

// As Python's \s has it.
bool is_space(char32_t c) { return text::is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

// Length of the white space at the start, in bytes.
size_t leading_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    int length = 0;
    if (!is_space(text::decode_utf8(text.data() + at, length))) break;
    at += static_cast<size_t>(length);
  }
  return at;
}

std::string_view stripped(std::string_view text) {
  text.remove_prefix(leading_space(text));
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    int length = 0;
    const bool space = is_space(text::decode_utf8(text.data() + at, length));
    at += static_cast<size_t>(length);
    if (!space) end = at;
  }
  return text.substr(0, end);
}

bool is_blank(std::string_view text) { return leading_space(text) == text.size(); }

// " = Robert Boulter = ", and not " = = Career = = ".
bool is_title(std::string_view line) {
  line = stripped(line);
  return line.size() > 4 && line.starts_with("= ") && line.ends_with(" =") && !line.starts_with("= =") &&
         !line.ends_with("= =");
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  std::string made;
  size_t at = 0;
  for (size_t found; (found = text.find(what, at)) != std::string::npos; at = found + what.size()) {
    made.append(text, at, found - at);
    made += with;
  }
  text = made.append(text, at);
}

// "( text )" → "(text)", up to the first `close` behind each `open`.
void tighten(std::string& text, char open, char close) {
  std::string made;
  size_t at = 0;
  for (;;) {
    const auto begin = text.find(open, at);
    const auto end = begin == std::string::npos ? begin : text.find(close, begin + 1);
    if (end == std::string::npos) break;
    made.append(text, at, begin + 1 - at);
    made += stripped(std::string_view(text).substr(begin + 1, end - begin - 1));
    made += close;
    at = end + 1;
  }
  text = made.append(text, at);
}

}  // namespace

std::vector<std::string_view> documents_of(std::string_view text, Documents how) {
  std::vector<std::string_view> found;
  size_t begin = 0, at = 0;
  const auto end_at = [&](size_t end) {
    const auto document = text.substr(begin, end - begin);
    if (!is_blank(document)) found.push_back(document);
    begin = end;
  };
  while (at < text.size()) {
    const auto next = std::min(text.find('\n', at), text.size() - 1) + 1;
    const auto line = text.substr(at, next - at);
    if (how == Documents::wikitext && is_title(line)) end_at(at);
    if (how == Documents::line || (how == Documents::blank && is_blank(line))) end_at(next);
    at = next;
  }
  end_at(text.size());
  return found;
}

std::string detokenized_wikitext(std::string text) {
  replace_all(text, "s '", "s'");
  for (const char* mark : {"-", ",", "."}) replace_all(text, std::string(" @") + mark + "@ ", mark);
  for (const char* mark : {":", ";", ".", "!", "?", ","})
    replace_all(text, std::string(" ") + mark + " ", std::string(mark) + " ");
  tighten(text, '(', ')'), tighten(text, '[', ']'), tighten(text, '{', '}'), tighten(text, '"', '"');
  tighten(text, '\'', '\'');
  replace_all(text, "= = = =", "====");
  replace_all(text, "= = =", "===");
  replace_all(text, "= =", "==");
  replace_all(text, " \u00B0 ", "\u00B0");
  replace_all(text, " \n", "\n");
  replace_all(text, "\n ", "\n");
  replace_all(text, " N ", " 1 ");
  replace_all(text, " 's", "'s");
  return text;
}

int64_t count_words(std::string_view text, bool with_ends) {
  int64_t words = 0;
  bool in_word = false, starts_with_space = false, ends_with_space = false;
  for (size_t at = 0; at < text.size();) {
    int length = 0;
    const bool space = is_space(text::decode_utf8(text.data() + at, length));
    if (at == 0) starts_with_space = space;
    if (!space && !in_word) ++words;
    in_word = !space;
    ends_with_space = space;
    at += static_cast<size_t>(length);
  }
  if (!with_ends) return words;
  return std::max<int64_t>(1, words + (starts_with_space ? 1 : 0) + (ends_with_space ? 1 : 0));
}

}  // namespace saobp::tasks
