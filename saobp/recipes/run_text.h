// The text of a run: its corpora, and the rows to train and to validate on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "saobp/data/rows.h"
#include "saobp/recipes/options.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/distributed.h"
#include "saobp/train/reporter.h"

namespace saobp::recipes {

// Text is tokenised by rank 0; the others wait, and then read its cache. Throws Interrupted when a signal comes
// meanwhile, on every rank.
class RunText {
 public:
  // `causal`: rows for a decoder. The tokenizer need not outlive this.
  RunText(const PretrainOptions& options, const text::Tokenizer& tokenizer, bool causal, const train::World& world,
          const train::Reporter& reporter);
  RunText(const RunText&) = delete;  // the rows refer to the corpora

  data::TrainingRows& training() { return *training_; }
  // Null where there is nothing to validate on.
  const data::ValidationRows* validation() const { return validation_ ? &*validation_ : nullptr; }

  // Of what is trained and validated on, for RunKeys: names of the cache files, and of validation text which part.
  std::vector<std::string> keys() const;
  std::vector<std::string> validation_keys() const;
  uint64_t tokens() const { return corpus_->tokens(); }
  // For people, what is trained and validated on.
  void announce(const train::Reporter& reporter) const;

 private:
  std::optional<data::Corpus> corpus_, validation_corpus_;
  std::optional<data::TrainingRows> training_;
  std::optional<data::ValidationRows> validation_;
  std::string about_corpus_, about_validation_;  // for people
  std::string part_;                             // of the validation text, where that is not all of a text of its own
};

}  // namespace saobp::recipes
