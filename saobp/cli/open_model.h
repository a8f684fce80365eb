// A model folder as the verbs open it: weights, config.json and tokenizer together.
#pragma once

#include <filesystem>
#include <memory>

#include "saobp/data/masking.h"
#include "saobp/model/weights.h"
#include "saobp/text/tokenizer.h"

namespace saobp::cli {

struct OpenedModel {
  model::Bert model{nullptr};
  std::unique_ptr<text::Tokenizer> tokenizer;

  // [CLS] ids [SEP], at most `length` ids.
  std::vector<int64_t> encode(std::string_view text, int64_t length) const;
};

// A run folder, or any BERT checkpoint in the Hugging Face layout. `tokenizer` names another place for the tokenizer;
// empty: the folder itself. Error when the vocabulary exceeds the model's, or lacks [CLS] or [SEP].
OpenedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& tokenizer);

}  // namespace saobp::cli
