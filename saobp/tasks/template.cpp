#include "saobp/tasks/template.h"

#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "saobp/io/error.h"
#include "saobp/io/words.h"

namespace saobp::tasks {
namespace {

const std::vector<std::string> kFilters = {"strip", "capitalize", "wikihow", "before:X", "fill"};
constexpr std::string_view kBefore = "before:";

std::string stripped(std::string_view text) {
  constexpr std::string_view kWhite = " \t\n\r\f\v";
  const auto first = text.find_first_not_of(kWhite);
  return first == std::string_view::npos ? ""
                                         : std::string(text.substr(first, text.find_last_not_of(kWhite) - first + 1));
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

std::string capitalized(const std::string& text) {
  auto letters = icu::UnicodeString::fromUTF8(text);
  if (letters.isEmpty()) return text;
  const int32_t second = letters.moveIndex32(0, 1);
  icu::UnicodeString first(letters, 0, second), rest(letters, second);
  // As Python: titlecase of the first (which is upper case but for digraphs), lower case of the others.
  first.toTitle(nullptr, icu::Locale::getRoot());
  rest.toLower(icu::Locale::getRoot());
  std::string result;
  return (first + rest).toUTF8String(result);
}

std::string without_wikihow_marks(std::string_view text) {
  auto clean = replaced(stripped(text), " [title]", ". ");
  for (size_t open = 0; (open = clean.find('[', open)) != std::string::npos;) {
    const auto close = clean.find(']', open);
    // Python's "." does not match a line end.
    if (close == std::string::npos) break;
    if (clean.substr(open, close - open).find('\n') != std::string::npos) {
      ++open;
      continue;
    }
    clean.erase(open, close - open + 1);
  }
  return replaced(std::move(clean), "  ", " ");
}

std::string filled(const std::string& text, std::string_view option) {
  const auto blank = text.find('_');
  if (blank == std::string::npos) return concat(text, " ", option);
  const auto end = text.find_first_not_of('_', blank);
  return concat(text.substr(0, blank), option, end == std::string::npos ? "" : text.substr(end));
}

void require_filter(const std::string& filter, const std::string& source) {
  if (filter.starts_with(kBefore) && filter.size() > kBefore.size()) return;
  if (std::find(kFilters.begin(), kFilters.end(), filter) == kFilters.end())
    fail(source, ": \"", filter, "\" is no filter; ", io::listed(kFilters), " was expected");
}

std::string filtered(const std::string& text, const std::string& filter, std::string_view option) {
  if (filter == "strip") return stripped(text);
  if (filter == "capitalize") return capitalized(text);
  if (filter == "wikihow") return without_wikihow_marks(text);
  if (filter == "fill") return filled(text, option);
  return text.substr(0, text.find(filter.substr(kBefore.size())));
}

std::string optional_field(const data::Record& record, const std::string& name) {
  const auto* found = record.field(name);
  return found ? *found : "";
}

}  // namespace

std::string filtered(std::string text, const std::vector<std::string>& filters, const std::string& source) {
  for (const auto& filter : filters) {
    require_filter(filter, source);
    text = filtered(text, filter, {});
  }
  return text;
}

Template::Template(std::string_view text, const std::string& source) : text_(text) {
  std::string plain;
  const auto end_plain = [&] {
    if (!plain.empty()) pieces_.emplace_back().text = plain;
    plain.clear();
  };
  while (!text.empty()) {
    if (text[0] != '{') {
      const auto next = std::min(text.find('{'), text.size());
      plain += text.substr(0, next);
      text.remove_prefix(next);
      continue;
    }
    if (text.starts_with("{{")) {
      plain += '{';
      text.remove_prefix(2);
      continue;
    }
    const auto close = text.find('}');
    if (close == std::string_view::npos) fail(source, ": \"", text_, "\": a brace is opened and not closed");
    end_plain();
    Piece piece;
    piece.is_field = true;
    auto inside = text.substr(1, close - 1);
    for (bool name = true;; name = false) {
      const auto bar = inside.find('|');
      const std::string part(inside.substr(0, bar));
      if (name) {
        piece.text = part;
      } else {
        require_filter(part, concat(source, ": \"", text_, "\""));
        piece.filters.push_back(part);
      }
      if (bar == std::string_view::npos) break;
      inside.remove_prefix(bar + 1);
    }
    if (piece.text.ends_with('?')) piece.optional = true, piece.text.pop_back();
    if (piece.text.empty()) fail(source, ": \"", text_, "\": a field without a name");
    pieces_.push_back(std::move(piece));
    text.remove_prefix(close + 1);
  }
  end_plain();
}

std::vector<std::string> Template::fields() const {
  std::vector<std::string> names;
  for (const auto& piece : pieces_)
    if (piece.is_field && !piece.optional && piece.text != "option") names.push_back(piece.text);
  return names;
}

std::string Template::fill(const data::Record& record, std::string_view option) const {
  std::string text;
  for (const auto& piece : pieces_) {
    if (!piece.is_field) {
      text += piece.text;
      continue;
    }
    std::string value = piece.text == "option" ? std::string(option)
                        : piece.optional       ? optional_field(record, piece.text)
                                               : data::require_any(record, piece.text);
    for (const auto& filter : piece.filters) value = filtered(value, filter, option);
    text += value;
  }
  return text;
}

}  // namespace saobp::tasks
