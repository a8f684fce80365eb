// Tokens that are recognised in text as they are written, before the model sees it: special ones such as [MASK], and
// those that a user added.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/text/byte_trie.h"
#include "saobp/text/unicode.h"
#include "saobp/text/utf8.h"

namespace saobp::text {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // only where no word character is beside it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for in normalised text, itself normalised; else in the raw text
  bool special = false;      // left out by decode(…, skip_special)
};

// Finds the tokens in a text: the leftmost, of several there the longest, without overlap.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  // `patterns[i]` is what stands in the text for `tokens[i]`; of equal patterns the first counts.
  AddedTokenMatcher(std::vector<AddedToken> tokens, const std::vector<std::string>& patterns);

  bool empty() const { return tokens_.empty(); }

  // Calls on_text(std::string_view) for stretches between tokens (never empty) and on_token(id, where it stands), in
  // order.
  template <class OnText, class OnToken>
  void split(std::string_view text, OnText&& on_text, OnToken&& on_token) const {
    size_t done = 0, at = empty() ? text.size() : find_start(text, 0);
    while (at < text.size()) {
      size_t length = 0;
      const AddedToken* token = match(text, at, length);
      if (!token) {
        at = find_start(text, at + 1);
        continue;
      }
      size_t start = at, stop = at + length;
      at = find_start(text, stop);
      if (token->single_word && !stands_alone(text, start, stop)) continue;
      if (token->lstrip) start = std::max(done, skip_space_back(text, start));
      if (token->rstrip) stop = skip_space(text, stop);
      if (done < start) on_text(text.substr(done, start - done));
      on_token(token->id, text.substr(start, stop - start));
      done = stop;
    }
    if (done < text.size()) on_text(text.substr(done));
  }

 private:
  // The next position whose byte some token starts with, or the text's end.
  size_t find_start(std::string_view text, size_t from) const;
  const AddedToken* match(std::string_view text, size_t at, size_t& length) const;
  static bool stands_alone(std::string_view text, size_t start, size_t stop);
  static size_t skip_space_back(std::string_view text, size_t from);
  static size_t skip_space(std::string_view text, size_t from);

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
  std::array<bool, 256> starts_{};
  int only_start_ = -1;  // the byte that all tokens start with, when there is just one such byte
};

}  // namespace saobp::text
