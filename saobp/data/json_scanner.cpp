#include "saobp/data/json_scanner.h"

#include <algorithm>
#include <cstdint>

namespace saobp::data {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

void append_utf8(std::string& out, uint32_t c) {
  const auto byte = [&](uint32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) {
    byte(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      byte(0xE0 | c >> 12);
    } else {
      byte(0xF0 | c >> 18);
      byte(0x80 | (c >> 12 & 63));
    }
    byte(0x80 | (c >> 6 & 63));
  }
  byte(0x80 | (c & 63));
}

// RFC 8259, and the words that other writers have for numbers that it lacks.
class Scanner {
 public:
  Scanner(std::string_view json, std::string_view field) : json_(json), field_(field) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // in the middle of files that were put together
    if (json_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  JsonField scan() {
    JsonField result;
    result.type = type_here();
    if (peek() == '{')
      members(1, &result);
    else
      skip_value(1);
    peek();
    if (at_ < json_.size()) fail("text behind the value");
    return result;
  }

 private:
  static constexpr int kDeepest = 1000;

  [[noreturn]] void fail(const char* reason) const { throw JsonFault{at_, reason}; }

  // The next character that is not white space, 0 at the end.
  char peek() {
    while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\t' || json_[at_] == '\r' || json_[at_] == '\n'))
      ++at_;
    return at_ < json_.size() ? json_[at_] : '\0';
  }

  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  std::string type_here() {
    switch (peek()) {
      case '{':
        return "an object";
      case '[':
        return "a list";
      case '"':
        return "a string";
      case 't':
      case 'f':
        return "a boolean";
      case 'n':
        return "null";
      default:
        return "a number";
    }
  }

  // From '{' to behind '}'. Fills `result` where that is not null.
  void members(int depth, JsonField* result) {
    ++at_;
    if (take('}')) return;
    do {
      if (peek() != '"') fail("the name of a field, in quotes, was expected");
      std::string name;
      string(result ? &name : nullptr, kReplacement);
      if (!take(':')) fail("a colon was expected");
      if (result && name == field_)
        take_field(depth, *result);
      else
        skip_value(depth);
      if (result && result->names.size() < 12) result->names.push_back(std::move(name));
    } while (take(','));
    if (!take('}')) fail(at_ < json_.size() ? "a comma or } was expected" : "the object has no end");
  }

  void take_field(int depth, JsonField& result) {
    if (!result.found.empty()) fail("the field stands there twice");
    result.found = type_here();
    if (peek() != '"') return skip_value(depth);
    string(&result.text.emplace(), 0);
  }

  void skip_value(int depth) {
    if (depth > kDeepest) fail("nested too deeply");
    switch (peek()) {
      case '{':
        return members(depth + 1, nullptr);
      case '[':
        return elements(depth + 1);
      case '"':
        return string(nullptr, 0);
      default:
        return word_or_number();
    }
  }

  void elements(int depth) {
    ++at_;
    if (take(']')) return;
    do skip_value(depth);
    while (take(','));
    if (!take(']')) fail(at_ < json_.size() ? "a comma or ] was expected" : "the list has no end");
  }

  void word_or_number() {
    for (const std::string_view word : {"true", "false", "null", "NaN", "Infinity", "-Infinity"})
      if (json_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return;
      }
    if (at_ < json_.size() && json_[at_] == '-') ++at_;
    const size_t start = at_;
    digits();
    if (at_ > start + 1 && json_[start] == '0') at_ = start, fail("a number that begins with 0");
    if (at_ < json_.size() && json_[at_] == '.') ++at_, digits();
    if (at_ < json_.size() && (json_[at_] == 'e' || json_[at_] == 'E')) {
      ++at_;
      if (at_ < json_.size() && (json_[at_] == '+' || json_[at_] == '-')) ++at_;
      digits();
    }
  }

  void digits() {
    const size_t start = at_;
    while (at_ < json_.size() && json_[at_] >= '0' && json_[at_] <= '9') ++at_;
    if (at_ == start) fail(at_ < json_.size() ? "a value was expected" : "the text ends where a value was expected");
  }

  // From '"' to behind its partner, unescaped into `out` where that is not null. Half of a surrogate pair becomes
  // `half`; a text in which that is 0 may have none.
  void string(std::string* out, uint32_t half) {
    for (++at_;;) {
      const size_t stop = std::min(json_.find_first_of("\"\\", at_), json_.size());
      const auto plain = json_.substr(at_, stop - at_);
      if (const auto control = std::find_if(plain.begin(), plain.end(), [](unsigned char c) { return c < 0x20; });
          control != plain.end()) {
        at_ += static_cast<size_t>(control - plain.begin());
        fail("a control character within a string");
      }
      if (out) out->append(plain);
      at_ = stop;
      if (at_ == json_.size()) fail("the string has no end");
      if (json_[at_] == '"') break;
      escape(out, half);
    }
    ++at_;
  }

  // From '\' to behind the escape.
  void escape(std::string* out, uint32_t half) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const size_t start = at_;
    const char name = ++at_ < json_.size() ? json_[at_] : '\0';
    if (const size_t i = kNames.find(name); name != 0 && i != std::string_view::npos) {
      ++at_;
      if (out) *out += kMeanings[i];
      return;
    }
    if (name != 'u') fail("an escape that JSON does not have");
    ++at_;
    uint32_t c = hexadecimal();
    if (c >= 0xD800 && c < 0xDC00 && json_.substr(at_).starts_with("\\u")) {
      const size_t behind = at_;
      at_ += 2;
      const uint32_t low = hexadecimal();
      if (low >= 0xDC00 && low < 0xE000)
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
      else
        at_ = behind;
    }
    if (!out) return;
    if (c >= 0xD800 && c < 0xE000) {
      if (half == 0) at_ = start, fail("half of a surrogate pair, which is no character");
      c = half;
    }
    append_utf8(*out, c);
  }

  uint32_t hexadecimal() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < json_.size() ? json_[at_] : '\0';
      if (c >= '0' && c <= '9')
        value = value * 16 + static_cast<uint32_t>(c - '0');
      else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        value = value * 16 + static_cast<uint32_t>((c | 0x20) - 'a' + 10);
      else
        fail("four hexadecimal digits were expected");
    }
    return value;
  }

  std::string_view json_, field_;
  size_t at_ = 0;
};

}  // namespace

JsonField find_json_field(std::string_view json, std::string_view field) { return Scanner(json, field).scan(); }

}  // namespace saobp::data
