// Reading the JSON files of Hugging Face tokenizers.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "saobp/text/tokenizer.h"
#include "saobp/text/vocabulary.h"

namespace saobp::text {

// Its objects are search trees. io::Json looks for each new key among all the others: too slow for a vocabulary.
using BigJson = nlohmann::json;

// Error naming line and byte offset when the file is damaged.
BigJson read_big_json(const std::filesystem::path& path);

// An object of tokens and ids.
Vocabulary read_vocabulary(const BigJson& tokens, const std::string& source);

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& path);

}  // namespace saobp::text
