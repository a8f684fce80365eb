#include "saobp/text/normalizer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>

#include "saobp/text/utf8.h"

namespace saobp::text {

BertNormalizer::BertNormalizer(const BertNormalizerOptions& options)
    : options_(options), actions_([this](char32_t c) { return action(c); }) {
  for (uint32_t b = 0; b < 256; ++b) {
    if (b >= 0x80) {
      ascii_[b] = kTable;
      continue;
    }
    uint32_t found = actions_[b];
    ascii_[b] = (found & 3) == keep   ? static_cast<uint8_t>(b)
                : (found & 3) == drop ? kDropped
                                      : static_cast<uint8_t>(texts_[found >> 8]);
  }
}

// The first two steps, which look at single characters of the input.
std::u32string BertNormalizer::clean(char32_t c) const {
  if (options_.clean_text) {
    if (c == 0 || c == 0xFFFD || is_bert_control(c)) return {};
    if (is_white_space(c)) c = ' ';
  }
  if (options_.handle_chinese_chars && is_bert_chinese(c)) return {U' ', c, U' '};
  return std::u32string(1, c);
}

uint32_t BertNormalizer::action(char32_t c) {
  if (c >= 0xD800 && c < 0xE000) return keep;  // surrogates: never in valid UTF-8
  std::u32string text = clean(c);
  if (options_.strip_accents) {
    std::u32string bare;
    for (char32_t part : text)
      for (char32_t piece : decomposition(part)) {
        if (!kept(piece)) continue;
        if (combining_class(piece) != 0) return reorder;
        bare.push_back(piece);
      }
    text = std::move(bare);
  }
  std::string bytes;
  for (char32_t part : text) {
    if (options_.lowercase)
      for (char32_t piece : lower_case(part)) append_utf8(bytes, piece);
    else
      append_utf8(bytes, part);
  }
  if (bytes.empty()) return drop;
  if (bytes == to_utf8(c)) return keep;
  auto offset = static_cast<uint32_t>(texts_.size());
  texts_ += bytes;
  return replace | static_cast<uint32_t>(bytes.size()) << 2 | offset << 8;
}

const char* BertNormalizer::normalize_reordered(const char* at, const char* end, std::string& out) const {
  std::u32string parts;
  bool first = true;
  while (at < end) {
    int length;
    std::u32string pieces;
    for (char32_t part : clean(decode_utf8(at, length))) pieces += decomposition(part);
    // A starter ends the reach of the marks before it; the main loop goes on from there.
    if (!first && !pieces.empty() && combining_class(pieces[0]) == 0) break;
    parts += pieces;
    first = false;
    at += length;
  }
  for (size_t i = 0; i < parts.size();) {
    size_t j = i + 1;
    if (combining_class(parts[i]) != 0) {
      while (j < parts.size() && combining_class(parts[j]) != 0) ++j;
      std::stable_sort(parts.begin() + static_cast<std::ptrdiff_t>(i), parts.begin() + static_cast<std::ptrdiff_t>(j),
                       [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    }
    i = j;
  }
  for (char32_t part : parts) {
    if (!kept(part)) continue;
    if (options_.lowercase)
      for (char32_t piece : lower_case(part)) append_utf8(out, piece);
    else
      append_utf8(out, part);
  }
  return at;
}

void BertNormalizer::normalize(std::string_view text, std::string& out) const {
  constexpr size_t kLongest = 64;  // more than any code point's text
  const char* at = text.data();
  const char* end = at + text.size();
  out.resize(text.size() + kLongest);
  size_t used = 0;
  while (at < end) {
    uint8_t mapped = ascii_[static_cast<uint8_t>(*at)];
    if (mapped < 0x80) {
      out[used++] = static_cast<char>(mapped);
      ++at;
      continue;
    }
    if (mapped == kDropped) {
      ++at;
      continue;
    }
    int length;
    uint32_t found = actions_[decode_utf8(at, length)];
    // Room for the longest text and, should all that follows be ASCII, for the rest.
    if (size_t needed = used + kLongest + static_cast<size_t>(end - at); needed > out.size()) out.resize(2 * needed);
    switch (found & 3) {
      case keep:
        for (int i = 0; i < length; ++i) out[used + static_cast<size_t>(i)] = at[i];
        used += static_cast<size_t>(length);
        at += length;
        break;
      case drop:
        at += length;
        break;
      case replace: {
        size_t size = found >> 2 & 63;
        std::memcpy(out.data() + used, texts_.data() + (found >> 8), size);
        used += size;
        at += length;
        break;
      }
      default:  // reorder
        out.resize(used);
        at = normalize_reordered(at, end, out);
        used = out.size();
        out.resize(used + kLongest + static_cast<size_t>(end - at));
    }
  }
  out.resize(used);
}

const BertNormalizer& bert_normalizer(const BertNormalizerOptions& o) {
  static std::array<std::once_flag, 16> made;
  static std::array<std::unique_ptr<const BertNormalizer>, 16> all;
  const auto at = size_t{o.clean_text} | size_t{o.handle_chinese_chars} << 1 | size_t{o.strip_accents} << 2 |
                  size_t{o.lowercase} << 3;
  std::call_once(made[at], [&] { all[at] = std::make_unique<const BertNormalizer>(o); });
  return *all[at];
}

}  // namespace saobp::text
