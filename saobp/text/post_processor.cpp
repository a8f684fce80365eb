#include "saobp/text/post_processor.h"

#include "saobp/io/error.h"

namespace saobp::text {
namespace {

using io::Json;

// ["[SEP]", 102]
int32_t id_in(const Json& json, const char* key, const std::string& source) {
  const auto token = io::require<Json>(json, key, source);
  if (!token.is_array() || token.size() != 2)
    fail(source, ": \"", key, "\" is ", token.dump(), "; a token and its id were expected");
  return io::convert<int32_t>(token[1], concat(source, ": \"", key, "\""));
}

}  // namespace

PostProcessor::Template PostProcessor::bare(bool pair) {
  Template row = {{.text = 0, .ids = {}, .type = 0}};
  if (pair) row.push_back({.text = 1, .ids = {}, .type = 1});
  return row;
}

PostProcessor::PostProcessor(Json json, const std::string& source) : json_(std::move(json)) {
  read(json_, source + ": post_processor");
}

void PostProcessor::read(const Json& json, const std::string& source) {
  if (json.is_null()) return;
  if (!json.is_object()) fail(source, " is ", io::type_name(json), "; an object was expected");
  const auto type = io::get_or<std::string>(json, "type", "", source);
  if (type == "Sequence") {
    const auto parts = io::require<Json>(json, "processors", source);
    if (!parts.is_array()) fail(source, ": \"processors\" is ", io::type_name(parts), "; a list was expected");
    for (const auto& part : parts) read(part, source);
  } else if (type == "ByteLevel") {
    if (io::get_or(json, "trim_offsets", true, source)) trims_ = io::get_or(json, "add_prefix_space", true, source);
  } else if (adds() || pair_ != bare(true)) {
    fail(source, ": a \"", type, "\" follows another that makes rows; one of them was expected");
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    const Piece sep = {.text = -1, .ids = {id_in(json, "sep", source)}, .type = 0};
    const Piece cls = {.text = -1, .ids = {id_in(json, "cls", source)}, .type = 0};
    const Piece first = {.text = 0, .ids = {}, .type = 0}, second = {.text = 1, .ids = {}, .type = 0};
    single_ = {cls, first, sep};
    types_windows_ = true;
    if (type == "BertProcessing") {
      pair_ = {cls, first, sep, second, sep};
      pair_[3].type = pair_[4].type = 1;
    } else {
      pair_ = {cls, first, sep, sep, second, sep};
      if (io::get_or(json, "trim_offsets", true, source)) trims_ = io::get_or(json, "add_prefix_space", true, source);
    }
  } else if (type == "TemplateProcessing") {
    read_template(json, source);
  } else {
    fail(source, " \"", type, "\" is not supported; ",
         "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or none is");
  }
}

void PostProcessor::read_template(const Json& json, const std::string& source) {
  const auto tokens = io::get_or<Json>(json, "special_tokens", Json::object(), source);
  const auto read_row = [&](const char* key) {
    Template row;
    const auto pieces = io::require<Json>(json, key, source);
    if (!pieces.is_array()) fail(source, ": \"", key, "\" is ", io::type_name(pieces), "; a list was expected");
    for (const auto& item : pieces) {
      if (!item.is_object() || item.size() != 1)
        fail(source, ": \"", key, "\": ", item.dump(), " was found; a Sequence or a SpecialToken was expected");
      const std::string kind = item.begin().key();
      const auto& what = item.begin().value();
      Piece piece;
      piece.type = io::get_or<int32_t>(what, "type_id", 0, source);
      if (piece.type < 0) fail(source, ": \"", key, "\": \"type_id\" is ", piece.type, "; at least 0 was expected");
      const auto id = io::require<std::string>(what, "id", source);
      if (kind == "Sequence" && (id == "A" || id == "B")) {
        piece.text = id == "A" ? 0 : 1;
      } else if (kind == "SpecialToken" && tokens.contains(id)) {
        piece.ids = io::require<std::vector<int32_t>>(tokens.at(id), "ids", concat(source, ": \"", id, "\""));
      } else {
        fail(source, ": \"", key, "\": ", kind, " \"", id, "\" is neither A nor B nor among the special tokens");
      }
      row.push_back(std::move(piece));
    }
    return row;
  };
  single_ = read_row("single");
  pair_ = read_row("pair");
}

}  // namespace saobp::text
