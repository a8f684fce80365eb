// What lies beside a vocabulary in a folder of transformers': which tokens have a role, and which were added to it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/text/added_tokens.h"
#include "saobp/text/vocabulary.h"

namespace saobp::text {

// Tokens by their roles, "bos_token", "cls_token" … as transformers calls them.
using Roles = std::map<std::string, AddedToken>;

struct SideFiles {
  Roles roles;
  std::vector<AddedToken> additional;    // "additional_special_tokens"
  std::vector<AddedToken> added;         // with their ids: added_tokens.json, "added_tokens_decoder"
  io::Json config = io::Json::object();  // tokenizer_config.json
  std::string config_name;               // for messages
};

// From tokenizer_config.json, special_tokens_map.json and added_tokens.json of a folder, as far as they are there.
SideFiles read_side_files(const std::filesystem::path& folder);

// The roles that files name, and `defaults` for the others.
Roles merged(const SideFiles& files, Roles defaults);

// The added tokens of a vocabulary without a tokenizer.json: those that have ids of their own, then special ones that
// the vocabulary lacks, which follow it in transformers' order of roles.
std::vector<AddedToken> added_tokens(const SideFiles& files, const Roles& roles, const Vocabulary& vocabulary);

}  // namespace saobp::text
