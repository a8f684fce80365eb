// BERT's normaliser: clean text, set ideographs apart, strip accents, lower-case; in this order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/text/unicode.h"

namespace saobp::text {

struct BertNormalizerOptions {
  bool clean_text = true;            // drop control characters, U+0000 and U+FFFD; white space becomes a space
  bool handle_chinese_chars = true;  // a space on both sides of each ideograph
  bool strip_accents = true;         // canonical decomposition, then without nonspacing marks
  bool lowercase = true;
};

// Precomputed for every code point, so that encoding is table look-ups. Immutable.
class BertNormalizer {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options);
  const BertNormalizerOptions& options() const { return options_; }

  // Replaces the contents of `out` by the normalised `text` (valid UTF-8).
  void normalize(std::string_view text, std::string& out) const;
  // The same; `origins` receives, for each byte of `out`, where the character that it was made from begins in `text`.
  void normalize(std::string_view text, std::string& out, std::vector<uint32_t>& origins) const;
  std::string normalize(std::string_view text) const {
    std::string out;
    normalize(text, out);
    return out;
  }

 private:
  // What becomes of a code point, in 32 bits: kind (2), length of its text (6), where that is in texts_ (24).
  enum Kind : uint32_t { keep, drop, replace, reorder };
  uint32_t action(char32_t c);
  std::u32string clean(char32_t c) const;
  bool kept(char32_t c) const { return !is_bert_accent(c); }
  // Marks that are kept take part in canonical reordering: handles them, and what they may change places with, from
  // `from` on, and returns where it ended.
  template <class Track>
  const char* normalize_reordered(const char* begin, const char* from, const char* end, std::string& out,
                                  Track& track) const;
  template <class Track>
  void run(std::string_view text, std::string& out, Track&& track) const;

  BertNormalizerOptions options_;
  std::string texts_;
  CodePointTable<uint32_t> actions_;
  // For ASCII: the byte that it becomes, or one of the two marks below.
  static constexpr uint8_t kDropped = 0xFE, kTable = 0xFF;
  uint8_t ascii_[256];
};

// Made at the first call for these options, which takes a while, and shared from then on.
const BertNormalizer& bert_normalizer(const BertNormalizerOptions& options);

}  // namespace saobp::text
