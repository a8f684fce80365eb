// Learns a WordPiece vocabulary: characters first, then the most frequent pair of neighbours becomes a new piece, again
// and again, as the `tokenizers` package trains it (byte-pair merges with continuing pieces spelt "##…"). The same text
// gives the same vocabulary: of equally frequent pairs the one with the smaller ids goes first.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "saobp/text/normalizer.h"
#include "saobp/text/tokenizer.h"

namespace saobp::text {

struct WordPieceTrainOptions {
  int64_t vocab_size = 30522;
  int64_t min_frequency = 2;
  int64_t limit_alphabet = 1000;
  bool lowercase = true;
  std::vector<std::string> special_tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};  // ids from 0 on

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("vocab_size", self.vocab_size,
          "tokens at most, special ones included; fewer when the text has no more pairs");
    visit("min_frequency", self.min_frequency, "how often two pieces must be neighbours to become one");
    visit("limit_alphabet", self.limit_alphabet, "characters at most, the most frequent ones");
    visit("lowercase", self.lowercase, "lower-case the text and strip accents");
  }
};

class WordPieceTrainer {
 public:
  explicit WordPieceTrainer(const WordPieceTrainOptions& options);
  // Counts the words of a text (valid UTF-8, else Error naming `source`).
  void add(std::string_view text, std::string_view source = "text to train on");
  // Error when there was no word, or when the alphabet alone is more than vocab_size.
  std::unique_ptr<Tokenizer> train() const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  WordPieceTrainOptions options_;
  BertNormalizer normalizer_;
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> counts_;
};

std::unique_ptr<Tokenizer> train_wordpiece(const WordPieceTrainOptions& options,
                                           const std::vector<std::string_view>& texts);

}  // namespace saobp::text
