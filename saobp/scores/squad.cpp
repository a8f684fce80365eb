#include "saobp/scores/squad.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace saobp::scores {
namespace {

// What Python's str.split() splits at.
bool is_space(UChar32 c) { return u_isUWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

// What \w matches: letters, digits and the underscore.
bool is_word(UChar32 c) { return (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0 || c == '_'; }

bool is_ascii_punctuation(UChar32 c) { return c < 0x80 && c > ' ' && !is_word(c) && c != 0x7F; }

bool is_article(const icu::UnicodeString& word) { return word == u"a" || word == u"an" || word == u"the"; }

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

}  // namespace

std::string normalised_answer(const std::string& text) {
  auto lower = icu::UnicodeString::fromUTF8(text);
  lower.toLower(icu::Locale::getRoot());
  icu::UnicodeString plain;
  for (int32_t at = 0; at < lower.length(); at = lower.moveIndex32(at, 1)) {
    const UChar32 c = lower.char32At(at);
    // The underscore is punctuation in Python's string.punctuation.
    if (!is_ascii_punctuation(c) && c != '_') plain.append(c);
  }
  // re.sub(r"\b(a|an|the)\b", " "): runs of word characters; then the words between white space.
  icu::UnicodeString without;
  for (int32_t at = 0; at < plain.length();) {
    int32_t end = at;
    while (end < plain.length() && is_word(plain.char32At(end))) end = plain.moveIndex32(end, 1);
    if (end > at) {
      const icu::UnicodeString word(plain, at, end - at);
      is_article(word) ? without.append(u' ') : without.append(word);
      at = end;
      continue;
    }
    const UChar32 c = plain.char32At(at);
    is_space(c) ? without.append(u' ') : without.append(c);
    at = plain.moveIndex32(at, 1);
  }
  std::string result;
  without.toUTF8String(result);
  std::string joined;
  for (const auto& word : words_of(result)) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

double answer_f1(const std::string& gold, const std::string& predicted) {
  const auto gold_words = words_of(normalised_answer(gold)), found_words = words_of(normalised_answer(predicted));
  if (gold_words.empty() || found_words.empty()) return gold_words.empty() && found_words.empty() ? 1 : 0;
  std::map<std::string, int64_t> left;
  for (const auto& word : gold_words) ++left[word];
  double same = 0;
  for (const auto& word : found_words)
    if (const auto found = left.find(word); found != left.end() && found->second-- > 0) ++same;
  if (same == 0) return 0;
  const double precision = same / static_cast<double>(found_words.size()),
               recall = same / static_cast<double>(gold_words.size());
  return 2 * precision * recall / (precision + recall);
}

AnswerScore answer_score(const std::vector<std::string>& all, const std::string& predicted, bool drop_empty) {
  auto golds = all;
  if (drop_empty) std::erase_if(golds, [](const std::string& gold) { return normalised_answer(gold).empty(); });
  if (golds.empty()) golds = {""};
  AnswerScore best;
  for (const auto& gold : golds) {
    best.exact = std::max(best.exact, normalised_answer(gold) == normalised_answer(predicted) ? 1.0 : 0.0);
    // Version 1.1's script gives two answers of articles and marks alone no overlap; 2.0's says that they agree.
    if (drop_empty || !normalised_answer(gold).empty()) best.f1 = std::max(best.f1, answer_f1(gold, predicted));
  }
  return best;
}

BestThreshold best_threshold(const std::vector<Answered>& questions) {
  double current = 0;
  for (const auto& q : questions) current += q.has_answer ? 0 : 1;
  BestThreshold best{current, 0};
  std::vector<size_t> order(questions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return questions[a].no_answer < questions[b].no_answer; });
  for (size_t i : order) {
    const auto& q = questions[i];
    current += q.has_answer ? q.score : q.is_empty ? 0 : -1;
    if (current > best.score) best = {current, q.no_answer};
  }
  best.score /= static_cast<double>(questions.size());
  return best;
}

}  // namespace saobp::scores
