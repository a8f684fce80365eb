// load_tokenizer: which file is there, and the two kinds that are not one JSON file.
#include <filesystem>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/io/paths.h"
#include "saobp/text/bpe.h"
#include "saobp/text/hf_json.h"
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

// One token a line. Settings are those of bert-base-uncased unless a tokenizer_config.json beside it has others.
std::unique_ptr<Tokenizer> load_vocab_txt(const fs::path& path) {
  const std::string source = path.string(), text = io::read_file(path, io::kLargestDocument);
  io::require_utf8(text, source);
  Vocabulary vocabulary;
  for_each_line(text, [&](std::string_view line, size_t number) {
    vocabulary.add(std::string(line), static_cast<int32_t>(number - 1), source);
  });
  WordPieceOptions options;
  if (fs::path config = path.parent_path() / "tokenizer_config.json"; io::name_exists(config)) {
    io::Json json = io::read_json(config);
    const std::string where = config.string();
    BertNormalizerOptions& o = *options.normalizer;
    o.lowercase = io::get_or(json, "do_lower_case", true, where);
    o.handle_chinese_chars = io::get_or(json, "tokenize_chinese_chars", true, where);
    options.strip_accents_given = json.contains("strip_accents") && !json.at("strip_accents").is_null();
    o.strip_accents = io::get_or(json, "strip_accents", o.lowercase, where);
  }
  auto added = special_tokens(vocabulary, {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"});
  io::Json post_processor = bert_post_processor(vocabulary);
  return make_wordpiece(options, std::move(vocabulary), std::move(added), std::move(post_processor), source);
}

std::unique_ptr<Tokenizer> load_vocab_and_merges(const fs::path& path) {
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
  BpeOptions options;
  if (fs::path config = path.parent_path() / "tokenizer_config.json"; io::name_exists(config))
    options.add_prefix_space = io::get_or(io::read_json(config), "add_prefix_space", false, config.string());
  auto added = special_tokens(vocabulary, {"<|endoftext|>"});
  return make_bpe(options, std::move(vocabulary), merges, std::move(added), byte_level_post_processor(), source);
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
  return load_tokenizer_json(path);
}

}  // namespace saobp::text
