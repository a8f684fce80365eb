// Masked-language-model inputs: which tokens are hidden, what stands in their place, and what was there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "saobp/data/batch.h"
#include "saobp/data/random.h"
#include "saobp/io/fields.h"
#include "saobp/text/tokenizer.h"

namespace saobp::data {

struct MaskingOptions {
  double mask_probability = 0.15;  // that a token is to be predicted
  double mask_share = 0.8;         // of these: shown as [MASK]
  double random_share = 0.1;       // of these: shown as a random token; the rest is shown as it is

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("mask_probability", self.mask_probability, "share of the tokens that are to be predicted", io::above(0, 1));
    visit("mask_share", self.mask_share, "share of these that is shown as [MASK]", io::between(0, 1));
    visit("random_share", self.random_share, "share of these that is shown as a random token; the rest stays",
          io::between(0, 1));
  }
};

// What rows of masked text need of a tokenizer.
struct TokenRoles {
  int32_t cls, sep, mask, pad;
  int64_t vocab_size;
  std::vector<int32_t> special;  // every id with a role, [UNK] too, ascending: never masked, never drawn

  // Error naming every role among [CLS], [SEP], [MASK], [PAD] that the tokenizer lacks.
  explicit TokenRoles(const text::Tokenizer& tokenizer);
  bool is_special(int32_t id) const;
};

// Hides tokens of rows. What happens to a row depends on (seed, row number) alone.
class Masker {
 public:
  // UsageError when a probability is outside [0, 1], mask_probability is 0, or the shares sum to more than 1.
  Masker(const MaskingOptions& options, const TokenRoles& roles, uint64_t seed);

  // Appends `row` (with its special tokens; [PAD] at its end is padding) to `batch`. Every token without a role is
  // chosen with mask_probability; when none was, one is chosen at random, so that a row always teaches something.
  void append(std::span<const int32_t> row, uint64_t row_number, Batch& batch) const;

 private:
  int32_t random_token(Random& random) const;
  MaskingOptions options_;
  TokenRoles roles_;
  uint64_t seed_;
};

}  // namespace saobp::data
