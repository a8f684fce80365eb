#include "saobp/text/wordpiece_trainer.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/text/bert_words.h"
#include "saobp/text/utf8.h"
#include "saobp/text/wordpiece.h"

namespace saobp::text {
namespace {

const std::string kPrefix = "##";

struct Word {
  std::vector<int32_t> symbols;
  int64_t count;
  int64_t seen_by = -1;  // the last merge that looked at it
};

// The pieces known so far, and the words spelt in them.
class Merger {
 public:
  explicit Merger(const std::vector<std::string>& special) {
    for (const std::string& token : special) intern(token);
  }

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  const std::vector<std::string>& tokens() const { return tokens_; }

  int32_t intern(const std::string& token) {
    auto [it, fresh] = ids_.emplace(token, static_cast<int32_t>(tokens_.size()));
    if (fresh) tokens_.push_back(token);
    return it->second;
  }
  bool knows(const std::string& token) const { return ids_.count(token) > 0; }

  // Characters that are not in the alphabet are left out of the word.
  void add_word(const std::string& text, int64_t count) {
    Word word{{}, count};
    for (size_t at = 0; at < text.size();) {
      auto length = static_cast<size_t>(utf8_length(static_cast<unsigned char>(text[at])));
      std::string c = text.substr(at, length);
      if (knows(c)) word.symbols.push_back(intern(at == 0 ? c : kPrefix + c));
      at += length;
    }
    words_.push_back(std::move(word));
    change_counts(static_cast<int32_t>(words_.size()) - 1, +1);
  }

  void merge_until(int64_t vocab_size, int64_t min_frequency) {
    for (const auto& [pair, places] : pairs_) queue_.emplace(places.count, ~pair);
    for (int64_t step = 0; size() < vocab_size && !queue_.empty(); ++step) {
      auto [count, inverted] = queue_.top();
      queue_.pop();
      auto it = pairs_.find(~inverted);
      if (it == pairs_.end() || it->second.count != count) continue;  // changed since; a newer entry is in the queue
      if (count < std::max<int64_t>(min_frequency, 1)) break;
      merge(~inverted, step);
    }
  }

 private:
  struct Places {
    int64_t count = 0;
    std::vector<int32_t> words;  // that have, or had, the pair; some twice
  };

  static uint64_t pair_of(int32_t a, int32_t b) {
    return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
  }

  // Adds (+1) or takes away (−1) the word's pairs; notes them for refresh().
  void change_counts(int32_t index, int sign) {
    const Word& word = words_[static_cast<size_t>(index)];
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i) {
      uint64_t pair = pair_of(word.symbols[i], word.symbols[i + 1]);
      Places& places = pairs_[pair];
      places.count += sign * word.count;
      if (sign > 0) places.words.push_back(index);
      changed_.push_back(pair);
    }
  }

  void merge(uint64_t pair, int64_t step) {
    auto a = static_cast<int32_t>(pair >> 32), b = static_cast<int32_t>(pair & 0xFFFFFFFF);
    const std::string& right = tokens_[static_cast<size_t>(b)];
    int32_t merged =
        intern(tokens_[static_cast<size_t>(a)] + (right.starts_with(kPrefix) ? right.substr(kPrefix.size()) : right));
    changed_.clear();
    for (int32_t index : std::exchange(pairs_[pair].words, {})) {
      Word& word = words_[static_cast<size_t>(index)];
      if (std::exchange(word.seen_by, step) == step) continue;
      change_counts(index, -1);
      size_t used = 0;
      for (size_t i = 0; i < word.symbols.size(); ++i) {
        bool here = i + 1 < word.symbols.size() && word.symbols[i] == a && word.symbols[i + 1] == b;
        word.symbols[used++] = here ? merged : word.symbols[i];
        if (here) ++i;
      }
      word.symbols.resize(used);
      change_counts(index, +1);
    }
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (uint64_t touched : changed_) {
      auto it = pairs_.find(touched);
      if (it->second.count == 0)
        pairs_.erase(it);
      else
        queue_.emplace(it->second.count, ~touched);
    }
  }

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, Places> pairs_;
  std::vector<uint64_t> changed_;
  // Count and inverted pair, so that the top is the most frequent and of those the smallest pair.
  std::priority_queue<std::pair<int64_t, uint64_t>> queue_;
};

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

}  // namespace

WordPieceTrainer::WordPieceTrainer(const WordPieceTrainOptions& options)
    : options_(options), normalizer_({.strip_accents = options.lowercase, .lowercase = options.lowercase}) {
  if (options.limit_alphabet < 1) fail_usage("limit_alphabet is ", options.limit_alphabet, "; at least 1 was expected");
  const auto& special = options.special_tokens;
  if (std::find(special.begin(), special.end(), "[UNK]") == special.end())
    fail_usage("the special tokens lack [UNK], which stands for unknown words");
}

void WordPieceTrainer::add(std::string_view text, std::string_view source) {
  io::require_utf8(text, source);
  const auto longest = static_cast<size_t>(WordPieceOptions{}.max_input_chars_per_word);
  std::string normalized;
  while (!text.empty()) {  // line by line: white space parts words anyway, and the buffer stays small
    size_t end = std::min(text.find('\n'), text.size());
    normalizer_.normalize(text.substr(0, end), normalized);
    split_bert_words(normalized, [&](std::string_view word) {
      // Longer words become [UNK] whatever the vocabulary is.
      if (word.size() > 4 * longest) return;
      if (auto it = counts_.find(word); it != counts_.end())
        ++it->second;
      else
        counts_.emplace(word, 1);
    });
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::unique_ptr<Tokenizer> WordPieceTrainer::train() const {
  if (counts_.empty()) fail("there is no word in the text to train a tokenizer on");
  // Sorted: the order of a hash map must not show.
  std::vector<std::pair<std::string, int64_t>> words(counts_.begin(), counts_.end());
  std::sort(words.begin(), words.end());
  std::unordered_map<char32_t, int64_t> characters, continuing;
  for (const auto& [word, count] : words)
    for (size_t at = 0; at < word.size();) {
      int length;
      char32_t c = decode_utf8(word.data() + at, length);
      characters[c] += count;
      if (at > 0) continuing[c] += count;
      at += static_cast<size_t>(length);
    }
  Merger merger(options_.special_tokens);
  const auto alphabet = choose_alphabet(characters, options_.limit_alphabet);
  for (char32_t c : alphabet) merger.intern(to_utf8(c));
  for (char32_t c : alphabet)
    if (continuing.count(c)) merger.intern(kPrefix + to_utf8(c));
  if (merger.size() > options_.vocab_size)
    fail("a vocabulary of ", options_.vocab_size,
         " is too small: special tokens and single characters of this text "
         "alone are ",
         merger.size());
  for (const auto& [word, count] : words) merger.add_word(word, count);
  merger.merge_until(options_.vocab_size, options_.min_frequency);

  Vocabulary vocabulary;
  for (const std::string& token : merger.tokens()) vocabulary.add(token, vocabulary.end(), "trained vocabulary");
  std::vector<AddedToken> added;
  for (const std::string& token : options_.special_tokens)
    added.push_back({.id = *vocabulary.id(token), .content = token, .special = true});
  WordPieceOptions model;
  model.normalizer = normalizer_.options();
  io::Json post_processor = bert_post_processor(vocabulary);
  return make_wordpiece(model, std::move(vocabulary), std::move(added), std::move(post_processor),
                        "trained vocabulary");
}

std::unique_ptr<Tokenizer> train_wordpiece(const WordPieceTrainOptions& options,
                                           const std::vector<std::string_view>& texts) {
  WordPieceTrainer trainer(options);
  for (std::string_view text : texts) trainer.add(text);
  return trainer.train();
}

}  // namespace saobp::text
