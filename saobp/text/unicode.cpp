#include "saobp/text/unicode.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <iterator>

#include "saobp/io/error.h"

namespace saobp::text {
namespace {

constexpr int kCategoryVersion = 8, kNormalizationVersion = 9, kPatternVersion = 16;

// The first version of Unicode that has the code point; 255 when ICU knows of none.
int age(char32_t c) {
  UVersionInfo version;
  u_charAge(static_cast<UChar32>(c), version);
  return version[0] == 0 ? 255 : version[0];
}

int category_8(char32_t c) {
  // The six whose category changed after Unicode 8.
  switch (c) {
    case 0x166D:
      return U_OTHER_PUNCTUATION;
    case 0x1734:
      return U_NON_SPACING_MARK;
    case 0x1885:
    case 0x1886:
      return U_OTHER_LETTER;
    case 0xA9BD:
      return U_COMBINING_SPACING_MARK;
    case 0x111C9:
      return U_OTHER_PUNCTUATION;
  }
  return age(c) <= kCategoryVersion ? u_charType(static_cast<UChar32>(c)) : int{U_UNASSIGNED};
}

struct Range {
  char32_t first, last;
};

template <size_t N>
bool contains(const Range (&ranges)[N], char32_t c) {
  auto after = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                [](char32_t value, const Range& range) { return value < range.first; });
  return after != std::begin(ranges) && c <= std::prev(after)->last;
}

// Letters and numbers that came with Unicode 15.1 and 16; ICU 72 ends at 15.0.
constexpr Range kNewLetters[] = {{0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3},
                                 {0x10D4A, 0x10D65}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389},
                                 {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113B7},
                                 {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0}, {0x13460, 0x143FA},
                                 {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
                                 {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D}};
constexpr Range kNewNumbers[] = {{0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x16130, 0x16139},
                                 {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA}};

// Lower case that came with Unicode 16 and 17: from a range to itself plus an offset.
struct Casing {
  char32_t first, last;
  int32_t offset;
};
constexpr Casing kNewCasings[] = {{0x1C89, 0x1C89, 1},    {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
                                  {0xA7CC, 0xA7CC, 1},    {0xA7CE, 0xA7CE, 1},
                                  {0xA7D2, 0xA7D2, 1},    {0xA7D4, 0xA7D4, 1},
                                  {0xA7DA, 0xA7DA, 1},    {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
                                  {0x10D50, 0x10D65, 32}, {0x16EA0, 0x16EB8, 27}};

const icu::Normalizer2& nfd() {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* instance = icu::Normalizer2::getNFDInstance(error);
  if (U_FAILURE(error)) fail("ICU has no data for Unicode normalization (", u_errorName(error), "); is it whole?");
  return *instance;
}

}  // namespace

bool is_white_space(char32_t c) { return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_WHITE_SPACE); }

bool is_bert_control(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  int category = category_8(c);
  return category == U_CONTROL_CHAR || category == U_FORMAT_CHAR || category == U_PRIVATE_USE_CHAR;
}

bool is_bert_accent(char32_t c) { return category_8(c) == U_NON_SPACING_MARK; }

bool is_bert_punctuation(char32_t c) {
  if (c < 0x80) return c > ' ' && c < 0x7F && !u_isalnum(static_cast<UChar32>(c));
  return (U_MASK(category_8(c)) & U_GC_P_MASK) != 0;
}

bool is_bert_chinese(char32_t c) {
  static constexpr Range kIdeographs[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},  {0x20000, 0x2A6DF},
                                          {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  return contains(kIdeographs, c);
}

bool is_word_character(char32_t c) {
  auto point = static_cast<UChar32>(c);
  return u_hasBinaryProperty(point, UCHAR_ALPHABETIC) || u_hasBinaryProperty(point, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(point) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

std::u32string decomposition(char32_t c) {
  icu::UnicodeString parts;
  if (age(c) > kNormalizationVersion || !nfd().getDecomposition(static_cast<UChar32>(c), parts))
    return std::u32string(1, c);
  std::u32string out;
  for (int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1))
    out.push_back(static_cast<char32_t>(parts.char32At(i)));
  return out;
}

int combining_class(char32_t c) {
  return age(c) <= kNormalizationVersion ? u_getCombiningClass(static_cast<UChar32>(c)) : 0;
}

std::u32string lower_case(char32_t c) {
  if (c == 0x130) return U"i\u0307";  // the only one whose full lower case is longer than one code point
  for (const Casing& casing : kNewCasings)
    if (c >= casing.first && c <= casing.last) return std::u32string(1, c + static_cast<char32_t>(casing.offset));
  return std::u32string(1, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
}

BertClass bert_class(char32_t c) {
  if (is_white_space(c)) return BertClass::space;
  return is_bert_punctuation(c) ? BertClass::punctuation : BertClass::word;
}

PatternClass pattern_class(char32_t c) {
  if (is_white_space(c)) return PatternClass::space;
  if (contains(kNewLetters, c)) return PatternClass::letter;
  if (contains(kNewNumbers, c)) return PatternClass::number;
  if (age(c) > kPatternVersion) return PatternClass::other;
  auto category = U_GET_GC_MASK(static_cast<UChar32>(c));
  if (category & U_GC_L_MASK) return PatternClass::letter;
  return category & U_GC_N_MASK ? PatternClass::number : PatternClass::other;
}

const CodePointTable<BertClass>& bert_classes() {
  static const CodePointTable<BertClass> table(bert_class);
  return table;
}

const CodePointTable<PatternClass>& pattern_classes() {
  static const CodePointTable<PatternClass> table(pattern_class);
  return table;
}

}  // namespace saobp::text
