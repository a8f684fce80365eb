#include "saobp/text/hf_json.h"

#include <algorithm>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/text/bpe.h"
#include "saobp/text/wordpiece.h"

namespace saobp::text {

namespace fs = std::filesystem;
using io::get_or;
using io::Json;
using io::require;

Vocabulary read_vocabulary(const Json& tokens, const std::string& source) {
  if (!tokens.is_object() || tokens.empty())
    fail(source, ": \"vocab\" is ", tokens.is_object() ? "empty" : io::type_name(tokens),
         "; an object of tokens and ids was expected");
  // There may be ids without a token, but each takes memory: a damaged file must not take all of it.
  const auto most = std::min((int64_t{1} << 20) + 16 * static_cast<int64_t>(tokens.size()), int64_t{1} << 26);
  Vocabulary vocabulary;
  for (const auto& [token, id] : tokens.items()) {
    if (!id.is_number_integer() || id < 0 || id > most)
      fail(source, ": token \"", token, "\" has id ", id.dump(), "; an integer from 0 to ", most, " was expected");
    vocabulary.add(token, id.get<int32_t>(), source);
  }
  return vocabulary;
}

namespace {

std::string type_of(const Json& part, const std::string& source, const std::string& name) {
  if (part.is_null()) return "null";
  if (!part.is_object()) fail(source, ": \"", name, "\" is ", io::type_name(part), "; an object was expected");
  return get_or<std::string>(part, "type", "", source + ": \"" + name + "\"");
}

[[noreturn]] void refuse(const std::string& source, const std::string& part, const std::string& found,
                         const std::string& supported) {
  fail(source, ": ", part, " \"", found, "\" is not supported; ", supported, " is");
}

Json part_of(const Json& frame, const char* name) { return frame.contains(name) ? frame.at(name) : Json(nullptr); }

std::vector<AddedToken> read_added(const Json& list, const std::string& source) {
  std::vector<AddedToken> added;
  if (list.is_null()) return added;
  if (!list.is_array()) fail(source, ": \"added_tokens\" is ", io::type_name(list), "; a list was expected");
  const std::string where = source + ": added_tokens";
  for (const Json& item : list) {
    AddedToken token;
    token.id = require<int32_t>(item, "id", where);
    token.content = require<std::string>(item, "content", where);
    token.single_word = get_or(item, "single_word", false, where);
    token.lstrip = get_or(item, "lstrip", false, where);
    token.rstrip = get_or(item, "rstrip", false, where);
    token.special = get_or(item, "special", false, where);
    token.normalized = get_or(item, "normalized", !token.special, where);
    added.push_back(std::move(token));
  }
  return added;
}

std::unique_ptr<VocabularyTokenizer> load_wordpiece_json(const Json& frame, const Json& model, Vocabulary vocabulary,
                                                         std::vector<AddedToken> added, const std::string& source) {
  WordPieceOptions options;
  Json normalizer = part_of(frame, "normalizer");
  std::string type = type_of(normalizer, source, "normalizer");
  if (type == "null") {
    options.normalizer.reset();
  } else if (type == "BertNormalizer") {
    const std::string where = source + ": normalizer";
    BertNormalizerOptions& o = *options.normalizer;
    o.clean_text = get_or(normalizer, "clean_text", true, where);
    o.handle_chinese_chars = get_or(normalizer, "handle_chinese_chars", true, where);
    o.lowercase = get_or(normalizer, "lowercase", true, where);
    options.strip_accents_given = !part_of(normalizer, "strip_accents").is_null();
    o.strip_accents = get_or(normalizer, "strip_accents", o.lowercase, where);
  } else {
    refuse(source, "normalizer", type, "BertNormalizer or none (with a WordPiece model)");
  }
  type = type_of(part_of(frame, "pre_tokenizer"), source, "pre_tokenizer");
  if (type != "BertPreTokenizer") refuse(source, "pre_tokenizer", type, "BertPreTokenizer (with a WordPiece model)");
  Json decoder = part_of(frame, "decoder");
  type = type_of(decoder, source, "decoder");
  if (type == "null") {
    options.decoder.reset();
  } else if (type == "WordPiece") {
    options.decoder->prefix = get_or<std::string>(decoder, "prefix", "##", source + ": decoder");
    options.decoder->cleanup = get_or(decoder, "cleanup", true, source + ": decoder");
  } else {
    refuse(source, "decoder", type, "WordPiece or none (with a WordPiece model)");
  }
  const std::string where = source + ": model";
  options.unk_token = get_or<std::string>(model, "unk_token", "[UNK]", where);
  options.continuing_subword_prefix = get_or<std::string>(model, "continuing_subword_prefix", "##", where);
  options.max_input_chars_per_word = get_or<int64_t>(model, "max_input_chars_per_word", 100, where);
  if (options.max_input_chars_per_word < 0)
    fail(where, ": \"max_input_chars_per_word\" is ", options.max_input_chars_per_word, "; at least 0 was expected");
  return make_wordpiece(options, std::move(vocabulary), std::move(added), part_of(frame, "post_processor"), source);
}

// A merge is "a b" or ["a", "b"].
Merges read_merges(const Json& list, const std::string& source) {
  if (!list.is_array()) fail(source, ": \"merges\" is ", io::type_name(list), "; a list was expected");
  Merges merges;
  merges.reserve(list.size());
  for (const Json& item : list) {
    if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string()) {
      merges.emplace_back(item[0].get<std::string>(), item[1].get<std::string>());
      continue;
    }
    std::string text = item.is_string() ? item.get<std::string>() : "";
    size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
      fail(source, ": merge ", merges.size(), " is ", item.dump(), "; two tokens were expected");
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

std::unique_ptr<VocabularyTokenizer> load_bpe_json(const Json& frame, const Json& model, Vocabulary vocabulary,
                                                   const Merges& merges, std::vector<AddedToken> added,
                                                   const std::string& source) {
  BpeOptions options;
  std::string type = type_of(part_of(frame, "normalizer"), source, "normalizer");
  if (type != "null") refuse(source, "normalizer", type, "none (with a BPE model)");
  Json pre = part_of(frame, "pre_tokenizer");
  type = type_of(pre, source, "pre_tokenizer");
  if (type != "ByteLevel") refuse(source, "pre_tokenizer", type, "ByteLevel (with a BPE model)");
  std::string where = source + ": pre_tokenizer";
  options.add_prefix_space = get_or(pre, "add_prefix_space", true, where);
  options.trim_offsets = get_or(pre, "trim_offsets", true, where);
  options.use_regex = get_or(pre, "use_regex", true, where);
  type = type_of(part_of(frame, "decoder"), source, "decoder");
  if (type != "ByteLevel" && type != "null") refuse(source, "decoder", type, "ByteLevel or none (with a BPE model)");
  options.byte_level_decoder = type == "ByteLevel";
  where = source + ": model";
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (auto affix = get_or<std::string>(model, key, "", where); !affix.empty())
      refuse(source, std::string("BPE model with ") + key, affix, "none (byte-level BPE)");
  if (get_or(model, "byte_fallback", false, where)) refuse(source, "BPE model with byte_fallback", "true", "false");
  if (auto dropout = get_or(model, "dropout", 0.0, where); dropout != 0)
    refuse(source, "BPE model with dropout", concat(dropout), "none");
  options.ignore_merges = get_or(model, "ignore_merges", false, where);
  options.fuse_unk = get_or(model, "fuse_unk", false, where);
  if (!part_of(model, "unk_token").is_null()) options.unk_token = require<std::string>(model, "unk_token", where);
  return make_bpe(options, std::move(vocabulary), merges, std::move(added), part_of(frame, "post_processor"), source);
}

}  // namespace

std::unique_ptr<VocabularyTokenizer> load_tokenizer_json(const fs::path& path) {
  const std::string source = path.string();
  Json frame = io::read_json(path);
  if (!frame.is_object() || !frame.contains("model") || !frame["model"].is_object())
    fail(source, ": not a tokenizer.json: \"model\" is missing");
  Json model = std::move(frame["model"]);
  frame.erase("model");
  if (!model.contains("vocab")) fail(source, ": \"model\" has no \"vocab\"");
  std::string type = model.contains("type") && model["type"].is_string() ? model["type"].get<std::string>() : "";
  // Old files do not name the type.
  if (type.empty()) type = model.contains("merges") ? "BPE" : model.contains("unk_token") ? "WordPiece" : "?";
  if (type != "WordPiece" && type != "BPE") refuse(source, "model", type, "WordPiece or BPE");
  Vocabulary vocabulary = read_vocabulary(model["vocab"], source);
  std::vector<AddedToken> added = read_added(part_of(frame, "added_tokens"), source);
  Merges merges;
  if (type == "BPE") {
    if (!model.contains("merges")) fail(source, ": \"model\" has no \"merges\"");
    merges = read_merges(model["merges"], source);
  }
  model.erase("vocab");
  model.erase("merges");
  if (type == "BPE") return load_bpe_json(frame, model, std::move(vocabulary), merges, std::move(added), source);
  return load_wordpiece_json(frame, model, std::move(vocabulary), std::move(added), source);
}

}  // namespace saobp::text
