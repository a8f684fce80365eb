// A model folder as the verbs open it: weights, config.json and tokenizer together.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/model/weights.h"
#include "saobp/text/tokenizer.h"

namespace saobp::cli {

struct OpenedModel {
  model::Model model;
  std::unique_ptr<text::Tokenizer> tokenizer;

  // At most `length` ids: BERT's between [CLS] and [SEP], GPT-2's as they are. `cut` becomes true where there are more.
  std::vector<int64_t> encode(std::string_view text, int64_t length, bool* cut = nullptr) const;
};

// A run folder, the folder of one of its checkpoints (RUN/checkpoints/step-NNNNNN, with RUN's settings and tokenizer),
// or any checkpoint of the two families in the Hugging Face layout. `tokenizer` names another place for
// the tokenizer; empty: the folder itself. Error when the vocabulary exceeds the model's, when a BERT's lacks [CLS] or
// [SEP], or when the model is not of the kind that `verb` needs:
// a decoder (`causal`) or an encoder.
OpenedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& tokenizer,
                       std::optional<bool> causal = {}, const std::string& verb = "");

}  // namespace saobp::cli
