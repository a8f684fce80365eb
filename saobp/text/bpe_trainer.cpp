#include "saobp/text/bpe_trainer.h"

#include <algorithm>
#include <array>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/text/bpe.h"
#include "saobp/text/byte_level.h"
#include "saobp/text/pair_merger.h"
#include "saobp/text/vocabulary_tokenizer.h"
#include "saobp/text/word_counts.h"

namespace saobp::text {
namespace {

class BpeTrainer final : public Trainer {
 public:
  BpeTrainer(const TrainerOptions& options, int threads) : options_(options), counts_(threads) {
    if (options_.special_tokens.empty()) options_.special_tokens = {"<|endoftext|>"};
    pattern_classes();  // made now rather than by several threads' first text
  }

  void add(std::string_view text, std::string_view source) override {
    io::require_utf8(text, source);
    counts_.add(text, [this](std::string_view part, auto&& count) {
      std::string prefixed;
      for_each_line(part, [&](std::string_view line) {
        // The "\n" after the line is still there, unless the text ends.
        if (options_.line_ends && line.data() + line.size() < part.data() + part.size())
          line = {line.data(), line.size() + 1};
        if (options_.add_prefix_space && !line.empty() && line[0] != ' ') line = prefixed.assign(1, ' ').append(line);
        while (!line.empty()) {
          size_t size = gpt2_piece(line);
          count(line.substr(0, size));
          line.remove_prefix(size);
        }
      });
    });
  }

  std::unique_ptr<Tokenizer> train() const override {
    const auto words = counts_.sorted();
    if (words.empty()) fail("there is no text to train a tokenizer on");
    PairMerger merger;
    for (const std::string& token : options_.special_tokens) merger.intern(token);
    const std::array<int32_t, 256> byte_ids = intern_bytes(merger);
    const int64_t least = static_cast<int64_t>(merger.tokens().size()), most = options_.vocab_size.value_or(50257);
    if (least > most)
      fail("a vocabulary of ", most, " is too small: special tokens and the 256 bytes alone are ", least);
    std::vector<int32_t> symbols;
    for (const auto& [word, count] : words) {
      symbols.clear();
      for (char byte : word) symbols.push_back(byte_ids[static_cast<uint8_t>(byte)]);
      merger.add_word(symbols, count);
    }
    merger.merge_until(most, options_.min_frequency);
    return tokenizer_of(merger);
  }

 private:
  // The byte alphabet in the order of its characters' code points; ids by byte.
  static std::array<int32_t, 256> intern_bytes(PairMerger& merger) {
    std::vector<std::pair<std::string, size_t>> alphabet;
    for (size_t b = 0; b < 256; ++b) alphabet.emplace_back(byte_character(static_cast<uint8_t>(b)), b);
    std::sort(alphabet.begin(), alphabet.end());
    std::array<int32_t, 256> ids;
    for (const auto& [character, byte] : alphabet) ids[byte] = merger.intern(character);
    return ids;
  }

  std::unique_ptr<Tokenizer> tokenizer_of(const PairMerger& merger) const {
    const std::string source = "trained vocabulary";
    Vocabulary vocabulary;
    for (const std::string& token : merger.tokens()) vocabulary.add(token, vocabulary.end(), source);
    Merges merges;
    for (const auto& [left, right] : merger.merges())
      merges.emplace_back(vocabulary.token(left), vocabulary.token(right));
    auto added = special_tokens(vocabulary, options_.special_tokens);
    return make_bpe({.add_prefix_space = options_.add_prefix_space}, std::move(vocabulary), merges, std::move(added),
                    byte_level_post_processor(), source);
  }

  TrainerOptions options_;
  WordCounts counts_;
};

}  // namespace

std::unique_ptr<Trainer> make_bpe_trainer(const TrainerOptions& options, int threads) {
  return std::make_unique<BpeTrainer>(options, threads);
}

}  // namespace saobp::text
