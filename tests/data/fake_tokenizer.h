// A tokenizer whose ids can be read off the text: the word "17" has id 17 + 5, every other word is [UNK].
#pragma once

#include <atomic>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/text/post_processor.h"
#include "saobp/text/tokenizer.h"
#include "tests/tools.h"

namespace saobp::data {

using tests::error_of;
using tests::TempFolder;

class FakeTokenizer : public text::Tokenizer {
 public:
  static constexpr int32_t kPad = 0, kUnk = 1, kCls = 2, kSep = 3, kMask = 4, kFirst = 5, kWords = 1000;

  explicit FakeTokenizer(std::string name = "fake") : name_(std::move(name)) {
    special_.pad = kPad, special_.unk = kUnk, special_.cls = kCls, special_.sep = kSep, special_.mask = kMask;
  }

  using Tokenizer::encode;
  void encode(std::string_view text, std::vector<int32_t>& ids) const override {
    ++documents_encoded;
    for (size_t at = 0; at < text.size();) {
      size_t stop = std::min(text.find_first_of(" \n\t", at), text.size());
      if (std::string_view word = text.substr(at, stop - at); !word.empty()) ids.push_back(id_of(word));
      at = stop + 1;
    }
  }
  void encode(std::string_view text, std::vector<int32_t>& ids, std::vector<text::Span>& spans) const override {
    for (size_t at = 0; at < text.size();) {
      size_t stop = std::min(text.find_first_of(" \n\t", at), text.size());
      if (std::string_view word = text.substr(at, stop - at); !word.empty()) {
        ids.push_back(id_of(word));
        spans.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(stop)});
      }
      at = stop + 1;
    }
  }
  const text::PostProcessor& post_processor() const override { return post_processor_; }
  bool is_added(int32_t) const override { return false; }
  const std::string& content(int32_t id) const override { return token(id); }
  bool has_token(int32_t id) const override { return id >= 0 && id < vocab_size(); }
  std::string decode(const std::vector<int32_t>& ids, bool) const override {
    std::string text;
    for (int32_t id : ids) text += concat(text.empty() ? "" : " ", id - kFirst);
    return text;
  }
  const std::string& token(int32_t) const override { return name_; }
  std::optional<int32_t> id(std::string_view token) const override { return id_of(token); }
  int64_t vocab_size() const override { return kFirst + kWords; }
  const text::SpecialTokens& special() const override { return special_; }
  const char* kind() const override { return "fake"; }
  std::string to_json() const override { return "\"" + name_ + "\""; }

  text::SpecialTokens special_;
  mutable std::atomic<int> documents_encoded = 0;

 private:
  static int32_t id_of(std::string_view word) {
    int32_t number = -1;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    bool known = error == std::errc() && end == word.data() + word.size() && number >= 0 && number < kWords;
    return known ? kFirst + number : kUnk;
  }
  std::string name_;
  text::PostProcessor post_processor_{nullptr, "fake"};
};

}  // namespace saobp::data
