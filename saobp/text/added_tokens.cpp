#include "saobp/text/added_tokens.h"

#include <algorithm>
#include <cstring>

namespace saobp::text {

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens, const std::vector<std::string>& patterns)
    : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    entries.emplace_back(patterns[i], static_cast<int32_t>(i));
    starts_[static_cast<uint8_t>(patterns[i][0])] = true;
  }
  trie_ = ByteTrie(std::move(entries));
  if (std::count(starts_.begin(), starts_.end(), true) == 1)
    only_start_ = static_cast<int>(std::find(starts_.begin(), starts_.end(), true) - starts_.begin());
}

size_t AddedTokenMatcher::find_start(std::string_view text, size_t from) const {
  if (from >= text.size()) return text.size();
  if (only_start_ >= 0) {
    const void* found = std::memchr(text.data() + from, only_start_, text.size() - from);
    return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : text.size();
  }
  while (from < text.size() && !starts_[static_cast<uint8_t>(text[from])]) ++from;
  return from;
}

const AddedToken* AddedTokenMatcher::match(std::string_view text, size_t at, size_t& length) const {
  const AddedToken* found = nullptr;
  int32_t state = ByteTrie::kRoot;
  for (size_t i = at; i < text.size(); ++i) {
    if ((state = trie_.step(state, text[i])) == ByteTrie::kNone) break;
    if (int32_t index = trie_.value(state); index != ByteTrie::kNone) {
      found = &tokens_[static_cast<size_t>(index)];
      length = i + 1 - at;
    }
  }
  return found;
}

bool AddedTokenMatcher::stands_alone(std::string_view text, size_t start, size_t stop) {
  if (start > 0 && is_word_character(decode_utf8_before(text.data() + start))) return false;
  int length;
  return stop == text.size() || !is_word_character(decode_utf8(text.data() + stop, length));
}

size_t AddedTokenMatcher::skip_space_back(std::string_view text, size_t from) {
  while (from > 0) {
    char32_t c = decode_utf8_before(text.data() + from);
    if (!is_white_space(c)) break;
    from -= to_utf8(c).size();
  }
  return from;
}

size_t AddedTokenMatcher::skip_space(std::string_view text, size_t from) {
  while (from < text.size()) {
    int length;
    if (!is_white_space(decode_utf8(text.data() + from, length))) break;
    from += static_cast<size_t>(length);
  }
  return from;
}

}  // namespace saobp::text
