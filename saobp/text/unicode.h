// What the tokenizers ask of Unicode. ICU answers, but each answer is held to the version of the standard that the
// `tokenizers` package itself was built with, because ids must agree: it knows general categories of BERT's
// normaliser as of Unicode 8, decompositions as of 9, letters and numbers of GPT-2's pattern as of 16, lower case as
// of 17. What ICU is too old to know is in a short table of ours. docs/tokenizers.md tells what that means for users.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace saobp::text {

inline constexpr char32_t kCodePoints = 0x110000;

bool is_white_space(char32_t c);
// Cc, Cf and Co of Unicode 8, but for tab, line feed and carriage return.
bool is_bert_control(char32_t c);
// Mn of Unicode 8: what strip_accents drops after decomposition.
bool is_bert_accent(char32_t c);
// P* of Unicode 8, and every printable ASCII character that is neither letter nor digit.
bool is_bert_punctuation(char32_t c);
// The ideographs that BERT's normaliser sets apart (its table, with its gap 2B820..2B91F).
bool is_bert_chinese(char32_t c);
// \w of the added tokens' single_word: alphabetic, marks, decimal digits, connectors, joiners.
bool is_word_character(char32_t c);

// The full canonical decomposition of one code point, in the standard's order; itself when it has none.
std::u32string decomposition(char32_t c);
int combining_class(char32_t c);
// Full lower case of one code point without context: no final sigma, İ becomes i and U+0307.
std::u32string lower_case(char32_t c);

enum class BertClass : uint8_t { word, space, punctuation };
BertClass bert_class(char32_t c);
// The classes of GPT-2's pattern: \p{L}, \p{N}, \s, and the rest.
enum class PatternClass : uint8_t { other, letter, number, space };
PatternClass pattern_class(char32_t c);

// A value for each code point: blocks of 256, equal blocks shared.
template <class T>
class CodePointTable {
 public:
  template <class F>
  explicit CodePointTable(F&& value_of) {
    std::unordered_map<std::string, uint16_t> seen;
    std::vector<T> block(256);
    for (char32_t first = 0; first < kCodePoints; first += 256) {
      if (is_empty_stretch(first)) {
        blocks_.push_back(blocks_.back());
        continue;
      }
      for (char32_t i = 0; i < 256; ++i) block[i] = value_of(first + i);
      std::string key(reinterpret_cast<const char*>(block.data()), 256 * sizeof(T));
      auto [it, fresh] = seen.emplace(std::move(key), static_cast<uint16_t>(values_.size() / 256));
      if (fresh) values_.insert(values_.end(), block.begin(), block.end());
      blocks_.push_back(it->second);
    }
  }
  // Where nothing is assigned, or all is for private use, a block is like the one before it: beyond the ideographs of
  // plane 3, but for plane 14 (tags, selectors) and the first and last block of each plane (U+xFFFE, U+xFFFF).
  static constexpr bool is_empty_stretch(char32_t first) {
    char32_t in_plane = first & 0xFFFF;
    return first > 0x33500 && first >> 16 != 14 && in_plane != 0 && in_plane != 0xFF00;
  }
  T operator[](char32_t c) const { return values_[size_t{blocks_[c >> 8]} << 8 | (c & 0xFF)]; }

 private:
  std::vector<uint16_t> blocks_;
  std::vector<T> values_;
};

// Made once, at first use.
const CodePointTable<BertClass>& bert_classes();
const CodePointTable<PatternClass>& pattern_classes();

}  // namespace saobp::text
