#include "saobp/text/wordpiece_trainer.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/text/bert_words.h"
#include "saobp/text/normalizer.h"
#include "saobp/text/pair_merger.h"
#include "saobp/text/utf8.h"
#include "saobp/text/vocabulary_tokenizer.h"
#include "saobp/text/word_counts.h"
#include "saobp/text/wordpiece.h"

namespace saobp::text {
namespace {

const std::string kPrefix = "##";

// The most frequent characters, in the order of their code points.
std::vector<char32_t> choose_alphabet(const std::unordered_map<char32_t, int64_t>& counts, int64_t limit) {
  std::vector<std::pair<int64_t, char32_t>> order;
  for (const auto& [c, count] : counts) order.emplace_back(-count, c);
  std::sort(order.begin(), order.end());
  if (static_cast<int64_t>(order.size()) > limit) order.resize(static_cast<size_t>(limit));
  std::vector<char32_t> alphabet;
  for (const auto& [count, c] : order) alphabet.push_back(c);
  std::sort(alphabet.begin(), alphabet.end());
  return alphabet;
}

class WordPieceTrainer final : public Trainer {
 public:
  WordPieceTrainer(const TrainerOptions& options, int threads)
      : options_(options),
        normalizer_({.strip_accents = options.lowercase, .lowercase = options.lowercase}),
        counts_(threads) {
    auto& special = options_.special_tokens;
    if (special.empty()) special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    if (std::find(special.begin(), special.end(), "[UNK]") == special.end())
      fail_usage("the special tokens lack [UNK], which stands for unknown words");
    bert_classes();  // made now rather than by several threads' first text
  }

  void add(std::string_view text, std::string_view source) override {
    io::require_utf8(text, source);
    const auto longest = static_cast<size_t>(WordPieceOptions{}.max_input_chars_per_word);
    counts_.add(text, [&](std::string_view part, auto&& count) {
      std::string normalized;
      for_each_line(part, [&](std::string_view line) {  // white space parts words anyway, and the buffer stays small
        normalizer_.normalize(line, normalized);
        split_bert_words(normalized, [&](std::string_view word) {
          if (word.size() <= 4 * longest) count(word);  // longer words become [UNK] whatever the vocabulary is
        });
      });
    });
  }

  std::unique_ptr<Tokenizer> train() const override {
    const auto words = counts_.sorted();
    if (words.empty()) fail("there is no word in the text to train a tokenizer on");
    PairMerger merger(kPrefix);
    for (const std::string& token : options_.special_tokens) merger.intern(token);
    const auto interned = intern_characters(words, merger);
    const int64_t least = static_cast<int64_t>(merger.tokens().size()), most = options_.vocab_size.value_or(30522);
    if (least > most)
      fail("a vocabulary of ", most, " is too small: special tokens and single characters of this text alone are ",
           least);
    std::vector<int32_t> symbols;
    for (const auto& [word, count] : words) {
      symbols.clear();
      for_each_character(word, [&](char32_t c, bool is_first) {
        // Characters that are not in the alphabet are left out of the word.
        const auto& ids = is_first ? interned.first : interned.second;
        if (auto it = ids.find(c); it != ids.end()) symbols.push_back(it->second);
      });
      merger.add_word(symbols, count);
    }
    merger.merge_until(most, options_.min_frequency);
    return tokenizer_of(merger);
  }

 private:
  using Words = std::vector<std::pair<std::string_view, int64_t>>;
  using CharacterIds = std::unordered_map<char32_t, int32_t>;

  // on_character(code point, whether it is the word's first)
  template <class OnCharacter>
  static void for_each_character(std::string_view word, OnCharacter&& on_character) {
    int length;
    for (size_t at = 0; at < word.size(); at += static_cast<size_t>(length)) {
      char32_t c = decode_utf8(word.data() + at, length);
      on_character(c, at == 0);
    }
  }

  // The alphabet, as characters that start a word and as those that continue one. Ids decide between equally frequent
  // pairs. The package numbers continuing characters as it meets them in words that come in random order, hence those
  // that are in many words first; here the number of words decides outright.
  std::pair<CharacterIds, CharacterIds> intern_characters(const Words& words, PairMerger& merger) const {
    std::unordered_map<char32_t, int64_t> counts, continued_words;
    std::unordered_set<char32_t> seen;
    for (const auto& word : words) {
      seen.clear();
      for_each_character(word.first, [&](char32_t c, bool is_first) {
        counts[c] += word.second;
        if (!is_first && seen.insert(c).second) ++continued_words[c];
      });
    }
    CharacterIds first, continuing;
    auto alphabet = choose_alphabet(counts, options_.limit_alphabet);
    for (char32_t c : alphabet) first[c] = merger.intern(to_utf8(c));
    std::erase_if(alphabet, [&](char32_t c) { return !continued_words.contains(c); });
    std::stable_sort(alphabet.begin(), alphabet.end(),
                     [&](char32_t a, char32_t b) { return continued_words[a] > continued_words[b]; });
    for (char32_t c : alphabet) continuing[c] = merger.intern(kPrefix + to_utf8(c));
    return {std::move(first), std::move(continuing)};
  }

  std::unique_ptr<Tokenizer> tokenizer_of(const PairMerger& merger) const {
    const std::string source = "trained vocabulary";
    Vocabulary vocabulary;
    for (const std::string& token : merger.tokens()) vocabulary.add(token, vocabulary.end(), source);
    auto added = special_tokens(vocabulary, options_.special_tokens);
    io::Json post_processor = bert_post_processor(vocabulary);
    return make_wordpiece({.normalizer = normalizer_.options()}, std::move(vocabulary), std::move(added),
                          std::move(post_processor), source);
  }

  TrainerOptions options_;
  BertNormalizer normalizer_;
  WordCounts counts_;
};

}  // namespace

std::unique_ptr<Trainer> make_wordpiece_trainer(const TrainerOptions& options, int threads) {
  return std::make_unique<WordPieceTrainer>(options, threads);
}

}  // namespace saobp::text
