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

namespace {

// What run() tells of each stretch of its output: so many bytes were made from the character at `from`.
struct NoTrack {
  static constexpr bool kTracks = false;
  void add(size_t, const char*) {}
};

class Origins {
 public:
  static constexpr bool kTracks = true;
  Origins(const char* text, std::vector<uint32_t>& origins) : text_(text), origins_(origins) { origins_.clear(); }
  void add(size_t bytes, const char* from) {
    const auto origin = static_cast<uint32_t>(from - text_);
    for (size_t i = 0; i < bytes; ++i) origins_.push_back(origin);
  }

 private:
  const char* text_;
  std::vector<uint32_t>& origins_;
};

// A code point of a decomposition, whether it is the first of its character's, and whether it is still to be put out.
struct Part {
  char32_t c;
  bool first, due;
};

}  // namespace

// Parts that changed places take the characters in their order, as `tokenizers` counts: the first part of a character
// goes with the next one, the others with the one before. For that the marks before `from` count too, which are
// dropped, and the starter that they belong to.
template <class Track>
const char* BertNormalizer::normalize_reordered(const char* begin, const char* from, const char* end, std::string& out,
                                                Track& track) const {
  std::vector<Part> parts;
  std::vector<const char*> sources;
  const auto pieces_of = [&](const char* place, int& length) {
    std::vector<Part> pieces;
    for (char32_t part : clean(decode_utf8(place, length))) {
      const auto decomposed = decomposition(part);
      for (size_t i = 0; i < decomposed.size(); ++i) pieces.push_back({decomposed[i], i == 0, place >= from});
    }
    return pieces;
  };
  const auto starts = [](const std::vector<Part>& pieces) {
    return !pieces.empty() && combining_class(pieces[0].c) == 0;
  };
  const char* at = from;
  int length;
  if (Track::kTracks && !starts(pieces_of(from, length)))
    while (at > begin) {
      do --at;
      while ((static_cast<unsigned char>(*at) & 0xC0) == 0x80);
      if (starts(pieces_of(at, length))) break;
    }
  while (at < end) {
    const auto pieces = pieces_of(at, length);
    // A starter ends the reach of the marks before it; the main loop goes on from there.
    if (at > from && starts(pieces)) break;
    for (const auto& piece : pieces)
      if (piece.first) sources.push_back(at);
    parts.insert(parts.end(), pieces.begin(), pieces.end());
    at += length;
  }
  for (size_t i = 0; i < parts.size();) {
    size_t j = i + 1;
    if (combining_class(parts[i].c) != 0) {
      while (j < parts.size() && combining_class(parts[j].c) != 0) ++j;
      std::stable_sort(parts.begin() + static_cast<std::ptrdiff_t>(i), parts.begin() + static_cast<std::ptrdiff_t>(j),
                       [](const Part& a, const Part& b) { return combining_class(a.c) < combining_class(b.c); });
    }
    i = j;
  }
  size_t next = 0;
  for (const auto& part : parts) {
    if (part.first) ++next;
    if (!part.due || !kept(part.c)) continue;
    const size_t before = out.size();
    if (options_.lowercase)
      for (char32_t piece : lower_case(part.c)) append_utf8(out, piece);
    else
      append_utf8(out, part.c);
    track.add(out.size() - before, sources[next > 0 ? next - 1 : 0]);
  }
  return at;
}

template <class Track>
void BertNormalizer::run(std::string_view text, std::string& out, Track&& track) const {
  constexpr size_t kLongest = 64;  // more than any code point's text
  const char* at = text.data();
  const char* end = at + text.size();
  out.resize(text.size() + kLongest);
  size_t used = 0;
  while (at < end) {
    uint8_t mapped = ascii_[static_cast<uint8_t>(*at)];
    if (mapped < 0x80) {
      out[used++] = static_cast<char>(mapped);
      track.add(1, at);
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
        track.add(static_cast<size_t>(length), at);
        at += length;
        break;
      case drop:
        at += length;
        break;
      case replace: {
        size_t size = found >> 2 & 63;
        std::memcpy(out.data() + used, texts_.data() + (found >> 8), size);
        used += size;
        track.add(size, at);
        at += length;
        break;
      }
      default:  // reorder
        out.resize(used);
        at = normalize_reordered(text.data(), at, end, out, track);
        used = out.size();
        out.resize(used + kLongest + static_cast<size_t>(end - at));
    }
  }
  out.resize(used);
}

void BertNormalizer::normalize(std::string_view text, std::string& out) const { run(text, out, NoTrack()); }

void BertNormalizer::normalize(std::string_view text, std::string& out, std::vector<uint32_t>& origins) const {
  run(text, out, Origins(text.data(), origins));
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
