#include "saobp/text/side_files.h"

#include <algorithm>

#include "saobp/io/json.h"
#include "saobp/io/paths.h"

namespace saobp::text {
namespace {

namespace fs = std::filesystem;
using io::Json;

// In the order in which transformers adds those that a vocabulary lacks.
constexpr const char* kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};

// "[MASK]", or an object with "content" and how it is looked for.
AddedToken token_of(const Json& json, const std::string& source) {
  AddedToken token;
  if (json.is_string()) {
    token.content = json.get<std::string>();
    token.special = true;
    return token;
  }
  if (!json.is_object()) fail(source, " is ", io::type_name(json), "; a string or an object was expected");
  token.content = io::require<std::string>(json, "content", source);
  token.single_word = io::get_or(json, "single_word", false, source);
  token.lstrip = io::get_or(json, "lstrip", false, source);
  token.rstrip = io::get_or(json, "rstrip", false, source);
  token.special = io::get_or(json, "special", true, source);
  token.normalized = io::get_or(json, "normalized", !token.special, source);
  return token;
}

void read_roles(const Json& json, const std::string& source, SideFiles& files) {
  for (const char* role : kRoles)
    if (json.contains(role) && !json.at(role).is_null()) {
      files.roles[role] = token_of(json.at(role), concat(source, ": \"", role, "\""));
      files.roles[role].special = true, files.roles[role].normalized = false;
    }
  // The second is transformers 5's name; an object names them.
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    if (!json.contains(key) || json.at(key).is_null()) continue;
    const auto& list = json.at(key);
    if (!list.is_array() && !list.is_object())
      fail(source, ": \"", key, "\" is ", io::type_name(list), "; a list of tokens was expected");
    for (const auto& item : list) files.additional.push_back(token_of(item, concat(source, ": \"", key, "\"")));
  }
}

int32_t id_of(const std::string& text, const std::string& source) {
  const bool digits = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) fail(source, ": \"", text, "\" was found; an id was expected");
  return static_cast<int32_t>(std::stol(text));
}

}  // namespace

SideFiles read_side_files(const fs::path& folder) {
  SideFiles files;
  const auto read = [&](const char* name) {
    const auto path = folder / name;
    if (!io::name_exists(path)) return Json(Json::object());
    auto json = io::read_json(path);
    if (!json.is_object()) fail(path.string(), ": found ", io::type_name(json), "; an object was expected");
    return json;
  };
  const auto name_of = [&](const char* name) { return (folder / name).string(); };
  read_roles(read("special_tokens_map.json"), name_of("special_tokens_map.json"), files);
  files.config = read("tokenizer_config.json");
  files.config_name = name_of("tokenizer_config.json");
  read_roles(files.config, files.config_name, files);
  if (const char* key = "added_tokens_decoder"; files.config.contains(key) && !files.config.at(key).is_null()) {
    if (!files.config.at(key).is_object())
      fail(files.config_name, ": \"", key, "\" is ", io::type_name(files.config.at(key)), "; an object was expected");
    for (const auto& [id, item] : files.config.at(key).items()) {
      files.added.push_back(token_of(item, concat(files.config_name, ": \"", key, "\"")));
      files.added.back().id = id_of(id, concat(files.config_name, ": \"", key, "\""));
    }
  }
  const auto source = name_of("added_tokens.json");
  const auto more = read("added_tokens.json");
  for (const auto& [content, id] : more.items()) {
    const bool known = std::any_of(files.added.begin(), files.added.end(),
                                   [&, &text = content](const auto& token) { return token.content == text; });
    if (known) continue;
    AddedToken token{.id = io::convert<int32_t>(id, concat(source, ": \"", content, "\"")), .content = content};
    token.normalized = true;
    files.added.push_back(std::move(token));
  }
  std::sort(files.added.begin(), files.added.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return files;
}

Roles merged(const SideFiles& files, Roles roles) {
  for (const auto& [role, token] : files.roles) roles[role] = token;
  return roles;
}

std::vector<AddedToken> added_tokens(const SideFiles& files, const Roles& roles, const Vocabulary& vocabulary) {
  std::vector<AddedToken> all = files.added;
  const auto find = [&](const std::string& content) {
    return std::find_if(all.begin(), all.end(), [&](const auto& token) { return token.content == content; });
  };
  auto next = static_cast<int32_t>(vocabulary.size());
  for (const auto& token : all)
    if (!vocabulary.id(token.content)) next = std::max(next, token.id + 1);
  const auto add = [&](const AddedToken& token) {
    if (const auto there = find(token.content); there != all.end()) {
      there->special = true;
      return;
    }
    all.push_back(token);
    const auto id = vocabulary.id(token.content);
    all.back().id = id ? *id : next++;
  };
  for (const char* role : kRoles)
    if (const auto token = roles.find(role); token != roles.end()) {
      // What no file names is special where the vocabulary has it.
      if (files.roles.contains(role) || vocabulary.id(token->second.content)) add(token->second);
    }
  for (const auto& token : files.additional) add(token);
  return all;
}

}  // namespace saobp::text
