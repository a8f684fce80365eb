// load_tokenizer: which file is there, and the two kinds that are not one JSON file.
#include <filesystem>
#include <unordered_map>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/io/paths.h"
#include "saobp/text/bpe.h"
#include "saobp/text/hf_json.h"
#include "saobp/text/side_files.h"
#include "saobp/text/tokenizer.h"
#include "saobp/text/vocabulary_tokenizer.h"
#include "saobp/text/wordpiece.h"

namespace saobp::text {
namespace {

namespace fs = std::filesystem;

// Calls on_line(line, number from 1) without line ends; a last line that is empty is none.
template <class OnLine>
void for_each_line(std::string_view text, OnLine&& on_line) {
  size_t number = 1;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    on_line(line, number++);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Roles roles_of(std::initializer_list<std::pair<const char*, const char*>> tokens) {
  Roles roles;
  for (const auto& [role, content] : tokens) roles[role] = {.content = content, .special = true};
  return roles;
}

// The token of a role, where the tokenizer has it.
const AddedToken* find(const Roles& roles, const char* role, const std::vector<AddedToken>& added) {
  for (const auto& token : added)
    if (token.content == roles.at(role).content) return &token;
  return nullptr;
}

// One token a line; of equal lines the last counts, and the id of another is that of no token. Settings are those of
// bert-base-uncased unless a tokenizer_config.json beside it has others.
std::unique_ptr<VocabularyTokenizer> load_vocab_txt(const fs::path& path) {
  const std::string source = path.string(), text = io::read_file(path, io::kLargestDocument);
  io::require_utf8(text, source);
  std::unordered_map<std::string_view, int32_t> ids;
  for_each_line(text, [&](std::string_view line, size_t number) { ids[line] = static_cast<int32_t>(number - 1); });
  Vocabulary vocabulary;
  for_each_line(text, [&](std::string_view line, size_t number) {
    const auto id = static_cast<int32_t>(number - 1);
    if (ids[line] == id) vocabulary.add(std::string(line), id, source);
  });
  const auto files = read_side_files(path.parent_path());
  WordPieceOptions options;
  BertNormalizerOptions& o = *options.normalizer;
  o.lowercase = io::get_or(files.config, "do_lower_case", true, files.config_name);
  o.handle_chinese_chars = io::get_or(files.config, "tokenize_chinese_chars", true, files.config_name);
  options.strip_accents_given = files.config.contains("strip_accents") && !files.config.at("strip_accents").is_null();
  o.strip_accents = io::get_or(files.config, "strip_accents", o.lowercase, files.config_name);
  const auto roles = merged(files, roles_of({{"pad_token", "[PAD]"},
                                             {"unk_token", "[UNK]"},
                                             {"cls_token", "[CLS]"},
                                             {"sep_token", "[SEP]"},
                                             {"mask_token", "[MASK]"}}));
  auto added = added_tokens(files, roles, vocabulary);
  options.unk_token = roles.at("unk_token").content;
  const auto *cls = find(roles, "cls_token", added), *sep = find(roles, "sep_token", added);
  io::Json post_processor = cls && sep ? bert_post_processor(*cls, *sep) : io::Json();
  auto tokenizer = make_wordpiece(options, std::move(vocabulary), std::move(added), std::move(post_processor), source);
  tokenizer->set_roles(files.roles);
  return tokenizer;
}

// RoBERTa's files are GPT-2's, with other special tokens and something around the text.
bool is_roberta(const SideFiles& files, const fs::path& folder) {
  const auto name = io::get_or<std::string>(files.config, "tokenizer_class", "", files.config_name);
  if (!name.empty()) return name.starts_with("Roberta");
  const auto config = folder / "config.json";
  return io::name_exists(config) &&
         io::get_or<std::string>(io::read_json(config), "model_type", "", config.string()) == "roberta";
}

std::unique_ptr<VocabularyTokenizer> load_vocab_and_merges(const fs::path& path) {
  const std::string source = path.string();
  Vocabulary vocabulary = read_vocabulary(io::read_json(path), source);
  const fs::path merges_path = path.parent_path() / "merges.txt";
  const std::string text = io::read_file(merges_path, io::kLargestDocument);
  io::require_utf8(text, merges_path.string());
  Merges merges;
  for_each_line(text, [&](std::string_view line, size_t number) {
    if (line.starts_with("#version")) return;
    size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
      fail(merges_path.string(), ": line ", number, ": \"", line, "\"; two tokens with a space between were expected");
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  });
  const auto files = read_side_files(path.parent_path());
  BpeOptions options;
  options.add_prefix_space = io::get_or(files.config, "add_prefix_space", false, files.config_name);
  const bool roberta = is_roberta(files, path.parent_path());
  Roles roles =
      roles_of({{"bos_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}, {"unk_token", "<|endoftext|>"}});
  if (roberta) {
    roles = roles_of({{"bos_token", "<s>"},
                      {"eos_token", "</s>"},
                      {"unk_token", "<unk>"},
                      {"sep_token", "</s>"},
                      {"pad_token", "<pad>"},
                      {"cls_token", "<s>"},
                      {"mask_token", "<mask>"}});
  }
  roles = merged(files, std::move(roles));
  auto added = added_tokens(files, roles, vocabulary);
  auto post_processor = byte_level_post_processor();
  if (roberta) {
    const auto *cls = find(roles, "cls_token", added), *sep = find(roles, "sep_token", added);
    post_processor = cls && sep ? roberta_post_processor(*cls, *sep, options.add_prefix_space) : io::Json();
  } else if (io::get_or(files.config, "add_bos_token", false, files.config_name)) {
    if (const auto* bos = find(roles, "bos_token", added)) post_processor = begin_post_processor(*bos);
  }
  auto tokenizer =
      make_bpe(options, std::move(vocabulary), merges, std::move(added), std::move(post_processor), source);
  tokenizer->set_roles(files.roles);
  return tokenizer;
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path) {
  if (fs::is_directory(path)) {
    for (const char* name : {"tokenizer.json", "vocab.txt", "vocab.json"})
      if (io::name_exists(path / name)) return load_tokenizer(path / name);
    fail(path.string(), ": there is no tokenizer here: tokenizer.json, vocab.txt or vocab.json was expected");
  }
  if (!fs::exists(path))
    fail(path.string(), ": no such file; a tokenizer.json, vocab.txt, vocab.json or folder was expected");
  if (path.extension() == ".txt") return load_vocab_txt(path);
  if (path.filename() == "vocab.json") return load_vocab_and_merges(path);
  auto tokenizer = load_tokenizer_json(path);
  if (path.filename() == "tokenizer.json") tokenizer->set_roles(read_side_files(path.parent_path()).roles);
  return tokenizer;
}

}  // namespace saobp::text
