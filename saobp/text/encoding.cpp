#include "saobp/text/encoding.h"

#include <algorithm>

#include "saobp/io/error.h"
#include "saobp/text/code_points.h"
#include "saobp/text/post_processor.h"
#include "saobp/text/unicode.h"
#include "saobp/text/utf8.h"

namespace saobp::text {
namespace {

struct Tokens {
  std::vector<int32_t> ids;
  std::vector<Span> characters;
};

constexpr size_t kMostWindows = 1 << 16;

// A stretch of a text's tokens.
struct Window {
  size_t begin, end;
};

bool is_space(char32_t c) { return c == U'\u0120' || is_white_space(c); }

// As ByteLevel's post-processor does it: at a token's ends, and counted in the token as the vocabulary spells it, or of
// an added one in what stands in the text.
Span trimmed(Span span, std::string_view token, bool first, bool prefix_space) {
  uint32_t leading = 0, trailing = 0;
  int length = 0;
  for (size_t at = 0; at < token.size() && is_space(decode_utf8(token.data() + at, length));
       at += static_cast<size_t>(length))
    ++leading;
  for (size_t end = token.size(); end > 0;) {
    const char32_t c = decode_utf8_before(token.data() + end);
    if (!is_space(c)) break;
    ++trailing;
    end -= to_utf8(c).size();
  }
  if (leading > 0) {
    // A single space before the text may be one that was put there, and is not in it.
    if ((first || span.begin == 0) && prefix_space && leading == 1) leading = 0;
    span.begin = std::min(span.begin + leading, span.end);
  }
  if (trailing > 0 && span.end >= trailing) span.end = std::max(span.end - trailing, span.begin);
  return span;
}

// What a text is cut into: windows of `room` tokens, the first of which counts.
std::vector<Window> windows(size_t size, size_t room, const RowOptions& options) {
  const auto stride = static_cast<size_t>(options.stride);
  if (room >= size) return {{0, size}};
  if (room == 0) return {{0, 0}, {0, size}};
  if (stride >= room)
    fail_usage(options.stride_flag, ": two windows are to share ", stride, " tokens; less than ", room,
               " was expected, the tokens of the text in a row");
  std::vector<Window> all;
  for (size_t begin = 0;; begin += room - stride) {
    all.push_back({begin, std::min(begin + room, size)});
    if (all.back().end == size) return all;
  }
}

// Tokens that each of the texts keeps.
std::pair<size_t, size_t> rooms(size_t first, size_t second, bool pair, size_t room, const RowOptions& options) {
  const auto truncation = options.truncation;
  if (first + second <= room) return {first, second};
  const size_t excess = first + second - room;
  if (truncation == Truncation::longest_first) {
    if (!pair) return {room, 0};
    size_t shorter = std::min(first, second), longer = shorter > room ? shorter : std::max(shorter, room - shorter);
    if (shorter + longer > room) shorter = room / 2, longer = shorter + room % 2;
    return first > second ? std::pair(longer, shorter) : std::pair(shorter, longer);
  }
  const bool of_first = truncation == Truncation::only_first;
  if (!of_first && !pair) fail_usage("--truncation: only_second was given; there is no second text");
  const size_t size = of_first ? first : second;
  if (size <= excess)
    fail_usage("the ", of_first ? "first" : "second", " text has ", size, " tokens, and ", excess,
               " would have to go; a longer ", options.flag, ", or another way to cut, was expected");
  return of_first ? std::pair(first - excess, second) : std::pair(first, second - excess);
}

class Rows {
 public:
  Rows(const Tokenizer& tokenizer, std::string_view first, std::optional<std::string_view> second, bool special,
       const PostProcessor::Template& row)
      : tokenizer_(tokenizer),
        texts_{first, second.value_or("")},
        special_(special),
        row_(row),
        points_{CodePoints(first), CodePoints(second.value_or(""))} {
    if (!special) {
      // Types stay those that the row has.
      std::erase_if(row_, [](const auto& piece) { return piece.text < 0; });
    }
    tokens_[0] = tokens_of(first, 0);
    if (second) tokens_[1] = tokens_of(*second, 1);
  }

  size_t size(int text) const { return tokens_[text].ids.size(); }
  size_t special_tokens() const {
    size_t count = 0;
    for (const auto& piece : row_) count += piece.ids.size();
    return count;
  }

  // Windows 0 are the row; of others `tokenizers` leaves the texts' types as they are before post-processing, unless
  // the post-processor sees to them.
  Encoding row(const std::vector<Window>& first, size_t i, const std::vector<Window>& second, size_t j) const {
    Encoding made;
    for (const auto& piece : row_) {
      if (piece.text < 0) {
        for (int32_t id : piece.ids) append(made, id, piece.type, -1, {}, {});
        continue;
      }
      const size_t number = piece.text == 0 ? i : j;
      const bool typed = number == 0 || (special_ && tokenizer_.post_processor().types_windows());
      append_window(made, piece.text, typed ? piece.type : piece.text, (piece.text == 0 ? first : second)[number]);
    }
    return made;
  }

 private:
  Tokens tokens_of(std::string_view text, int which) const {
    Tokens tokens;
    tokenizer_.encode(text, tokens.ids, tokens.characters);
    for (auto& span : tokens.characters) span = points_[which].characters(span);
    return tokens;
  }

  static void append(Encoding& to, int32_t id, int32_t type, int8_t text, Span characters, Span bytes) {
    to.ids.push_back(id), to.types.push_back(type), to.texts.push_back(text);
    to.characters.push_back(characters), to.bytes.push_back(bytes);
  }

  void append_window(Encoding& to, int text, int32_t type, Window window) const {
    const auto& tokens = tokens_[text];
    const auto trims = tokenizer_.post_processor().trims();
    for (size_t i = window.begin; i < window.end; ++i) {
      auto span = tokens.characters[i];
      if (trims) span = trimmed(span, spelling(text, tokens.ids[i], span), i == window.begin, *trims);
      append(to, tokens.ids[i], type, static_cast<int8_t>(text), span, points_[text].bytes(span));
    }
  }

  std::string_view spelling(int text, int32_t id, Span characters) const {
    if (!tokenizer_.is_added(id)) return tokenizer_.token(id);
    const auto bytes = points_[text].bytes(characters);
    return texts_[text].substr(bytes.begin, bytes.end - bytes.begin);
  }

  const Tokenizer& tokenizer_;
  std::string_view texts_[2];
  bool special_;
  PostProcessor::Template row_;
  CodePoints points_[2];
  Tokens tokens_[2];
};

}  // namespace

std::vector<Encoding> encode_rows(const Tokenizer& tokenizer, std::string_view first,
                                  std::optional<std::string_view> second, const RowOptions& options) {
  const auto& processor = tokenizer.post_processor();
  return encode_rows(tokenizer, first, second, options, second ? processor.pair() : processor.single());
}

std::vector<Encoding> encode_rows(const Tokenizer& tokenizer, std::string_view first,
                                  std::optional<std::string_view> second, const RowOptions& options,
                                  const PostProcessor::Template& row) {
  const Rows rows(tokenizer, first, second, options.special_tokens, row);
  std::vector<Window> of_first = {{0, rows.size(0)}}, of_second = {{0, rows.size(1)}};
  if (options.max_length > 0) {
    const auto most = static_cast<size_t>(options.max_length), around = rows.special_tokens();
    if (most <= around)
      fail_usage(options.flag, ": ", most, " was given; more than ", around,
                 " was expected, the special tokens of a row");
    const auto [room, other] = rooms(rows.size(0), rows.size(1), second.has_value(), most - around, options);
    of_first = windows(rows.size(0), room, options);
    of_second = windows(rows.size(1), other, options);
  }
  // Where both texts are cut, every window of one meets every window of the other.
  const bool all = options.most_rows == 0;
  if (all && of_first.size() > kMostWindows / of_second.size())
    fail_usage(options.flag, ": ", options.max_length, " makes ", of_first.size(), " · ", of_second.size(),
               " windows of the two texts; at most ", kMostWindows,
               " were expected (--truncation only_second cuts one)");
  std::vector<Encoding> made = {rows.row(of_first, 0, of_second, 0)};
  const auto add = [&](size_t i, size_t j) {
    if (!all && std::ssize(made) >= options.most_rows) return false;
    made.push_back(rows.row(of_first, i, of_second, j));
    return true;
  };
  for (size_t i = 1; i < of_first.size(); ++i)
    for (size_t j = 0; j < of_second.size(); ++j)
      if (!add(i, j)) return made;
  for (size_t j = 1; j < of_second.size(); ++j)
    if (!add(0, j)) return made;
  return made;
}

}  // namespace saobp::text
