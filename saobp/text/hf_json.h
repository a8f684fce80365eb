// Reading the JSON files of Hugging Face tokenizers.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "saobp/io/json.h"
#include "saobp/text/vocabulary.h"
#include "saobp/text/vocabulary_tokenizer.h"

namespace saobp::text {

// An object of tokens and ids.
Vocabulary read_vocabulary(const io::Json& tokens, const std::string& source);

std::unique_ptr<VocabularyTokenizer> load_tokenizer_json(const std::filesystem::path& path);

}  // namespace saobp::text
