// A model as the verbs open it: any folder (pretrained/model_folder.h), or a checkpoint in a run.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/pretrained/model_folder.h"

namespace saobp::cli {

struct OpenedModel : pretrained::Pretrained {
  // A text as the model takes it, at most `length` ids with special tokens.
  std::vector<int64_t> encode(std::string_view text, int64_t length) const;
};

// A run folder, the folder of one of its checkpoints (RUN/checkpoints/step-NNNNNN, with RUN's settings and tokenizer),
// or any other model folder. What is not as its files say is told. `tokenizer` names another place for the tokenizer;
// empty: the folder itself. Error when the model is not of the kind that `verb` needs: a decoder (`causal`) or an
// encoder.
OpenedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& tokenizer,
                       std::optional<bool> causal = {}, const std::string& verb = "");

}  // namespace saobp::cli
