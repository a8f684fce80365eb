// Learning a tokenizer from text, as the `tokenizers` package does it. The same text gives the same file, whatever the
// order of the texts and the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "saobp/io/fields.h"
#include "saobp/text/tokenizer.h"

namespace saobp::text {

enum class TokenizerKind { wordpiece, bpe };
const std::vector<std::string>& enum_names(TokenizerKind);

struct TrainerOptions {
  TokenizerKind kind = TokenizerKind::wordpiece;
  std::optional<int64_t> vocab_size = {};  // absent: that of BERT or GPT-2
  int64_t min_frequency = 2;
  std::vector<std::string> special_tokens = {};  // ids from 0 on; empty: those of BERT or GPT-2
  int64_t limit_alphabet = 1000;                 // WordPiece only, as is the next
  bool lowercase = true;
  bool add_prefix_space = false;  // BPE only, as is the next
  bool line_ends = true;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("kind", self.kind, "wordpiece (as in BERT) or bpe (byte-level, as in GPT-2)");
    visit("vocab_size", self.vocab_size,
          "tokens at most, special ones included; fewer when the text has no more pairs [wordpiece 30522, bpe 50257]",
          io::at_least(1));
    visit("min_frequency", self.min_frequency, "how often two pieces must be neighbours to become one",
          io::at_least(0));
    visit("special_tokens", self.special_tokens,
          "a special token; repeatable [wordpiece [PAD] [UNK] [CLS] [SEP] [MASK], bpe <|endoftext|>]");
    visit("limit_alphabet", self.limit_alphabet, "wordpiece: characters at most, the most frequent ones",
          io::at_least(1));
    visit("lowercase", self.lowercase, "wordpiece: lower-case the text and strip accents");
    visit("add_prefix_space", self.add_prefix_space, "bpe: a space before a line that does not start with one");
    visit("line_ends", self.line_ends, "bpe: a line's end belongs to it, as when `tokenizers` trains from files");
  }
};

class Trainer {
 public:
  virtual ~Trainer() = default;
  // Counts the words of a text (valid UTF-8, else Error naming `source`), line by line.
  virtual void add(std::string_view text, std::string_view source) = 0;
  // Error when there was no word, or when the alphabet alone is more than the vocabulary may be.
  virtual std::unique_ptr<Tokenizer> train() const = 0;
};

// UsageError for values without a meaning. `threads`: of add(), at least 1.
std::unique_ptr<Trainer> make_trainer(const TrainerOptions& options, int threads = 1);

std::unique_ptr<Tokenizer> train_tokenizer(const TrainerOptions& options, const std::vector<std::string_view>& texts);

}  // namespace saobp::text
