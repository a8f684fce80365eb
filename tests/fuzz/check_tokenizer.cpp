#include "tests/fuzz/check_tokenizer.h"

#include "saobp/io/json.h"
#include "saobp/text/byte_level.h"
#include "saobp/text/encoding.h"
#include "saobp/text/stream_decoder.h"

namespace saobp::fuzz {
namespace {

// What StreamDecoder gives piece by piece.
std::string streamed(const text::Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  text::StreamDecoder decoder(tokenizer);
  std::string text;
  for (int32_t id : ids) {
    const std::string piece = decoder.push(id);
    io::require_utf8(piece, "a streamed piece");
    text += piece;
  }
  return text + decoder.finish();
}

// Every text comes back from its ids: each byte has a token, and nothing is looked for in the text beforehand.
bool gives_text_back(const text::Tokenizer& tokenizer, const io::Json& json) {
  if (!json.at("added_tokens").empty() || json.at("decoder").is_null()) return false;
  for (int byte = 0; byte < 256; ++byte)
    if (!tokenizer.id(text::byte_character(static_cast<uint8_t>(byte)))) return false;
  return true;
}

// Rows with spans hold the same ids, and spans are whole characters of their text.
void check_rows(const text::Tokenizer& tokenizer, std::string_view text, const std::vector<int32_t>& ids) {
  const auto rows = text::encode_rows(tokenizer, text, text, {.special_tokens = false});
  std::vector<int32_t> expected;
  for (const auto& piece : tokenizer.post_processor().pair())
    if (piece.text >= 0) expected.insert(expected.end(), ids.begin(), ids.end());
  require(rows[0].ids == expected, "a row has the ids of its texts");
  const auto starts = [&](uint32_t at) {
    return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
  };
  for (const auto& span : rows[0].bytes)
    require(span.begin <= span.end && span.end <= text.size() && starts(span.begin) && starts(span.end),
            "a span is whole characters of the text");
  attempt([&] {
    text::encode_rows(tokenizer, text, text,
                      {.max_length = 60, .truncation = text::Truncation::only_second, .stride = 1});
  });
}

}  // namespace

void check_tokenizer(const text::Tokenizer& tokenizer, std::string_view text, const Folder& folder) {
  const std::string saved = tokenizer.to_json();
  const auto path = folder.write("again/tokenizer.json", saved);
  std::unique_ptr<text::Tokenizer> again;
  require(attempt([&] { again = text::load_tokenizer(path); }), "what to_json() writes is read");
  require(again->to_json() == saved, "a tokenizer that was written and read is the same");

  std::vector<int32_t> ids;
  if (!attempt([&] { ids = tokenizer.encode(text); })) return;  // no UTF-8
  require(again->encode(text) == ids, "a tokenizer that was written and read encodes alike");
  require(tokenizer.encode(text) == ids, "encoding again gives the same");
  if (text.size() < 4096) check_rows(tokenizer, text, ids);
  for (int32_t id : ids) {
    require(id >= 0 && id < tokenizer.vocab_size(), "ids are below vocab_size()");
    require(tokenizer.id(tokenizer.content(id)) == id, "a token has the id that it is found by");
  }
  const std::string decoded = tokenizer.decode(ids, /*skip_special=*/false);
  require(again->decode(ids, false) == decoded, "a tokenizer that was written and read decodes alike");
  io::require_utf8(decoded, "decoded text");
  if (ids.size() <= 256)  // it decodes all ids anew for each
    require(streamed(tokenizer, ids) == tokenizer.decode(ids, /*skip_special=*/true), "streaming gives the whole text");
  if (std::string_view(tokenizer.kind()) != "bpe") return;
  const io::Json json = io::parse_json(saved, "to_json()");
  if (!gives_text_back(tokenizer, json)) return;
  const bool prefixed = json.at("pre_tokenizer").at("add_prefix_space").get<bool>();
  require(decoded == text || (prefixed && decoded == " " + std::string(text)), "byte-level ids decode to their text");
  require(tokenizer.encode(decoded) == ids, "that text has these ids");
}

}  // namespace saobp::fuzz
