// Learns pieces by merging: of all pairs of neighbours in counted words the most frequent becomes one piece, again and
// again. It keeps the very books that the `tokenizers` package keeps, so that the same words give the same merges:
//   - of equally frequent pairs the one with the smaller ids (left, then right) goes first;
//   - a piece that can be merged in several ways ("a bc", "ab c") is one token, so its pairs can come up again after
//     they were merged. Counts are then not started anew, only the words that are new are merged, and the rule moves
//     to its last place.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace saobp::text {

class PairMerger {
 public:
  using Pair = std::pair<int32_t, int32_t>;

  // `prefix` is what pieces that do not start a word begin with ("##"); a merge drops it from the right piece.
  explicit PairMerger(std::string prefix = "") : prefix_(std::move(prefix)) {}

  // The token's id: a new one, counting from 0, when it is not there yet.
  int32_t intern(const std::string& token);
  void add_word(std::span<const int32_t> symbols, int64_t count);
  // Until there are `vocab_size` tokens, or no pair is there `min_frequency` times (at least once). To be called once.
  void merge_until(int64_t vocab_size, int64_t min_frequency);

  const std::vector<std::string>& tokens() const { return tokens_; }
  // The rules in the order in which an encoder applies them, each once.
  std::vector<Pair> merges() const;

 private:
  struct Word {
    size_t begin, size;  // in symbols_
    int64_t count;
  };
  struct PairState {
    Pair pair;
    int64_t count = 0;
    std::vector<int32_t> words;  // that gained the pair since the queue was last filled
  };
  struct Candidate {
    int64_t count;
    Pair pair;
    int32_t index;  // in pairs_
    std::vector<int32_t> words;
    // Of two candidates the "larger" one is merged first.
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void change(int32_t left, int32_t right, int64_t by, int32_t word);
  void fill_queue();
  int32_t merged_token(Pair pair);
  void merge_in_word(int32_t index, Pair pair, int32_t merged);

  std::string prefix_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<int32_t> symbols_;  // of all words
  std::vector<Word> words_;
  std::vector<PairState> pairs_;
  std::unordered_map<uint64_t, int32_t> pair_index_;
  std::vector<int32_t> gained_;   // pairs with words
  std::vector<Candidate> queue_;  // a heap
  std::vector<Pair> merges_;
};

}  // namespace saobp::text
