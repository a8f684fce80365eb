// A model's folder, opened: weights, config.json and tokenizer together, in any layout in which the families come; and
// saved, so that transformers reads the same.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/model/weights.h"
#include "saobp/text/encoding.h"
#include "saobp/text/tokenizer.h"

namespace saobp::pretrained {

struct Pretrained {
  model::Model model;  // in evaluation mode
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::vector<std::string> notes;   // what is not as the files say, a sentence each
  std::vector<std::string> unused;  // tensors of the file that the model has no place for
  std::vector<std::string> drawn;   // the model's tensors that the file lacked
};

// `tokenizer` names another place for the tokenizer; empty: the folder itself. Error naming the file when something is
// missing, damaged or not supported, when the vocabulary exceeds the model's, and when an encoder's lacks what stands
// around a text.
Pretrained open(const std::filesystem::path& folder, const std::filesystem::path& tokenizer = {},
                const model::LoadOptions& options = {});

// Whether model and tokenizer go together; the same errors, `place` and `folder` being where they lie.
void require_match(const model::ModelConfig& config, const text::Tokenizer& tokenizer,
                   const std::filesystem::path& place, const std::filesystem::path& folder);

// A text or a pair as the model takes it (text/encoding.h): special tokens as the tokenizer's post-processor puts them,
// or, for an encoder whose tokenizer has none, as its family does.
std::vector<text::Encoding> encode(const model::ModelConfig& config, const text::Tokenizer& tokenizer,
                                   std::string_view first, std::optional<std::string_view> second,
                                   const text::RowOptions& options);

// Writes tokenizer.json and, for transformers, tokenizer_config.json and special_tokens_map.json; for a decoder
// generation_config.json too. transformers' AutoTokenizer then gives the same ids.
void save_tokenizer(const text::Tokenizer& tokenizer, const model::ModelConfig& config,
                    const std::filesystem::path& folder);

}  // namespace saobp::pretrained
