#include "saobp/text/bpe.h"

#include <array>

#include "saobp/io/file.h"
#include "saobp/text/bpe_merges.h"
#include "saobp/text/byte_level.h"
#include "saobp/text/byte_trie.h"
#include "saobp/text/piece_cache.h"
#include "saobp/text/scratch_pool.h"
#include "saobp/text/vocabulary_tokenizer.h"

namespace saobp::text {
namespace {

class BpeTokenizer final : public VocabularyTokenizer {
 public:
  BpeTokenizer(const BpeOptions& options, Vocabulary vocabulary, const Merges& merges, std::vector<AddedToken> added,
               io::Json post_processor, const std::string& source)
      : VocabularyTokenizer(std::move(vocabulary), std::move(added), std::move(post_processor), source),
        options_(options),
        merges_(merges.size()) {
    if (options.unk_token) {
      unk_ = model_id(*options.unk_token).value_or(-1);
      if (unk_ < 0) fail(source, ": the vocabulary has no \"", *options.unk_token, "\", the model's unk_token");
      special_.unk = unk_;
    }
    for (int b = 0; b < 256; ++b)
      byte_ids_[static_cast<size_t>(b)] = model_id(byte_character(static_cast<uint8_t>(b))).value_or(unk_);
    for (const int32_t id : byte_ids_) all_known_ = all_known_ && id >= 0 && id != unk_;
    read_merges(merges, source);
    bytes_.resize(static_cast<size_t>(vocabulary_.end()));
    std::vector<std::pair<std::string_view, int32_t>> entries;
    for (int32_t id = 0; id < vocabulary_.end(); ++id) {
      if (!vocabulary_.has(id)) continue;
      const std::string& token = vocabulary_.token(id);
      auto bytes = spelt_bytes(token);
      bool whole = in_model(id) && bytes && !bytes->empty();
      bytes_[static_cast<size_t>(id)] = bytes ? std::move(*bytes) : token;
      if (whole && options.ignore_merges) entries.emplace_back(bytes_[static_cast<size_t>(id)], id);
    }
    trie_ = ByteTrie(std::move(entries));
    pattern_classes();  // made now rather than by the first text
    match_added([](const std::string& text) { return text; }, source);
  }

  using Tokenizer::encode;
  void encode(std::string_view text, std::vector<int32_t>& ids) const override {
    io::require_utf8(text, "text to encode");
    auto scratch = scratch_.borrow();
    auto push = [&](int32_t id, std::string_view) { ids.push_back(id); };
    raw_matcher_.split(
        text,
        [&](std::string_view section) {
          // There is no normaliser, so "normalised" tokens are looked for in the same text, but after the others.
          normalized_matcher_.split(section, [&](std::string_view part) { encode_part(part, *scratch, ids); }, push);
        },
        push);
  }

  void encode(std::string_view text, std::vector<int32_t>& ids, std::vector<Span>& spans) const override {
    io::require_utf8(text, "text to encode");
    auto scratch = scratch_.borrow();
    const auto push = [&](int32_t id, std::string_view place) {
      const auto begin = static_cast<uint32_t>(place.data() - text.data());
      ids.push_back(id), spans.push_back({begin, begin + static_cast<uint32_t>(place.size())});
    };
    raw_matcher_.split(
        text,
        [&](std::string_view section) {
          normalized_matcher_.split(
              section, [&](std::string_view part) { encode_part_with_spans(text, part, *scratch, ids, spans); }, push);
        },
        push);
  }

  std::string decode(const std::vector<int32_t>& ids, bool skip_special) const override {
    std::string text;
    if (!options_.byte_level_decoder) {
      bool first = true;
      for (std::string_view token : tokens(ids, skip_special))
        text.append(first ? "" : " ").append(token), first = false;
      return text;
    }
    for (int32_t id : ids) {
      if (vocabulary_.is_hole(id)) continue;
      vocabulary_.token(id);  // throws when it is not there
      if (!skip(id, skip_special)) text += bytes_[static_cast<size_t>(id)];
    }
    return lossy_utf8(text);
  }

  const char* kind() const override { return "bpe"; }

 private:
  struct Scratch {
    PieceCache cache;
    std::vector<int32_t> symbols;
    std::vector<size_t> places;
    std::string prefixed;
  };

  std::optional<int32_t> model_id(std::string_view token) const {
    auto id = vocabulary_.id(token);
    return id && in_model(*id) ? id : std::nullopt;
  }

  void read_merges(const Merges& merges, const std::string& source) {
    merge_ids_.reserve(merges.size());
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const auto& [left, right] = merges[rank];
      auto a = model_id(left), b = model_id(right), merged = model_id(left + right);
      if (!a || !b || !merged)
        fail(source, ": merge ", rank, " (\"", left, " ", right, "\") needs the token \"",
             !a   ? left
             : !b ? right
                  : left + right,
             "\", which the vocabulary does not have");
      merges_.set(*a, *b, static_cast<uint32_t>(rank), *merged);
      merge_ids_.emplace_back(*a, *b);
    }
  }

  void encode_part(std::string_view text, Scratch& scratch, std::vector<int32_t>& ids) const {
    if (options_.add_prefix_space && text[0] != ' ') {
      scratch.prefixed.assign(1, ' ').append(text);
      text = scratch.prefixed;
    }
    while (!text.empty()) {
      size_t size = options_.use_regex ? gpt2_piece(text) : text.size();
      encode_piece(text.substr(0, size), scratch, ids);
      text.remove_prefix(size);
    }
  }

  // Within a piece every token covers as much as it spells, or, of unknown bytes, as much as it stands for.
  // `tokenizers` counts in the byte alphabet, where bytes are one or two long, and bytes that are left out move what
  // follows them in the piece; so do we. A span has whole characters.
  void encode_part_with_spans(std::string_view text, std::string_view part, Scratch& scratch, std::vector<int32_t>& ids,
                              std::vector<Span>& spans) const {
    const auto base = static_cast<uint32_t>(part.data() - text.data());
    const std::string_view raw = part;
    const bool prefixed = options_.add_prefix_space && part[0] != ' ';
    if (prefixed) {
      scratch.prefixed.assign(1, ' ').append(part);
      part = scratch.prefixed;
    }
    // Where the character begins that a byte of the part is of; the space that was put before it is of the first one.
    const auto begin_of = [&](size_t at) {
      if (prefixed) at = at == 0 ? 0 : at - 1;
      at = std::min(at, raw.size() - 1);
      while (at > 0 && (static_cast<unsigned char>(raw[at]) & 0xC0) == 0x80) --at;
      return at;
    };
    for (size_t start = 0; start < part.size();) {
      const auto piece = part.substr(start, options_.use_regex ? gpt2_piece(part.substr(start)) : part.size() - start);
      size_t token = ids.size(), at = 0;
      encode_piece(piece, scratch, ids);
      if (!all_known_) spell(piece, scratch.places);
      const size_t size = all_known_ ? piece.size() : scratch.places.size();
      const auto byte_at = [&](size_t place) { return start + (all_known_ ? place : scratch.places[place]); };
      for (; token < ids.size(); ++token) {
        const size_t width = all_known_ ? bytes_[static_cast<size_t>(ids[token])].size()
                                        : width_of(ids[token], piece, scratch.places, at);
        const size_t end = std::min(at + width, size);
        const size_t first = begin_of(byte_at(std::min(at, size - 1))), last = begin_of(byte_at(std::max(at, end - 1)));
        spans.push_back({base + static_cast<uint32_t>(first),
                         base + static_cast<uint32_t>(last) +
                             static_cast<uint32_t>(utf8_length(static_cast<unsigned char>(raw[last])))});
        at = end;
      }
      start += piece.size();
    }
  }

  // For each byte of the piece as the alphabet spells it, which of the piece's own it is.
  static void spell(std::string_view piece, std::vector<size_t>& places) {
    places.clear();
    for (size_t i = 0; i < piece.size(); ++i)
      places.insert(places.end(), byte_character(static_cast<uint8_t>(piece[i])).size(), i);
  }

  size_t width_of(int32_t id, std::string_view piece, const std::vector<size_t>& places, size_t at) const {
    const auto unknown = [&](size_t place) {
      return place < places.size() && byte_ids_[static_cast<uint8_t>(piece[places[place]])] == unk_;
    };
    if (id != unk_ || !unknown(at)) return vocabulary_.token(id).size();
    size_t end = at + 1;
    while (end < places.size() && (places[end] == places[at] || (options_.fuse_unk && unknown(end)))) ++end;
    return end - at;
  }

  void encode_piece(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const {
    if (piece.size() > PieceCache::kLongest) return merge_piece(piece, scratch.symbols, ids);
    PieceCache::Entry& entry = scratch.cache.slot(piece);
    if (!PieceCache::holds(entry, piece)) {
      size_t before = ids.size();
      merge_piece(piece, scratch.symbols, ids);
      PieceCache::store(entry, piece, ids.data() + before, ids.size() - before);
      return;
    }
    ids.insert(ids.end(), entry.ids, entry.ids + entry.count);
  }

  void merge_piece(std::string_view piece, std::vector<int32_t>& symbols, std::vector<int32_t>& ids) const {
    if (options_.ignore_merges)
      if (int32_t id = trie_.find(piece); id != ByteTrie::kNone) return ids.push_back(id);
    symbols.clear();
    bool unknown = false;
    for (char byte : piece) {
      // The byte's token, else unk_, else −1: nothing. A byte that has a token may share the id of unk_ itself.
      int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
      bool was_unknown = std::exchange(unknown, id == unk_);
      if (id < 0 || (unknown && was_unknown && options_.fuse_unk)) continue;
      symbols.push_back(id);
    }
    merges_.apply(symbols);
    ids.insert(ids.end(), symbols.begin(), symbols.end());
  }

  io::Json normalizer_json() const override { return nullptr; }
  io::Json pre_tokenizer_json() const override {
    return {{"type", "ByteLevel"},
            {"add_prefix_space", options_.add_prefix_space},
            {"trim_offsets", options_.trim_offsets},
            {"use_regex", options_.use_regex}};
  }
  io::Json decoder_json() const override {
    if (!options_.byte_level_decoder) return nullptr;
    return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  }
  io::Json model_json() const override {
    io::Json unk = nullptr;
    if (options_.unk_token) unk = *options_.unk_token;
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", unk},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", options_.fuse_unk},
            {"byte_fallback", false},
            {"ignore_merges", options_.ignore_merges}};
  }
  std::string after_vocabulary() const override {
    std::string text = ",\"merges\":[\n";
    for (size_t i = 0; i < merge_ids_.size(); ++i)
      text += (i ? ",\n  [" : "  [") + io::Json(token(merge_ids_[i].first)).dump() + ", " +
              io::Json(token(merge_ids_[i].second)).dump() + "]";
    return text + "\n ]";
  }

  BpeOptions options_;
  int32_t unk_ = -1;
  std::array<int32_t, 256> byte_ids_;
  bool all_known_ = true;  // every byte has a token of its own
  BpeMergeTable merges_;
  std::vector<std::pair<int32_t, int32_t>> merge_ids_;  // in order, for the file
  ByteTrie trie_;                                       // whole tokens by their bytes, with ignore_merges
  std::vector<std::string> bytes_;                      // what each id decodes to
  mutable ScratchPool<Scratch> scratch_;
};

}  // namespace

io::Json byte_level_post_processor() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
}

io::Json begin_post_processor(const AddedToken& bos) {
  using io::Json;
  const auto special = [&](int type) { return Json{{"SpecialToken", {{"id", bos.content}, {"type_id", type}}}}; };
  const auto text = [](const char* name, int type) { return Json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  const Json entry = {{"id", bos.content}, {"ids", Json::array({bos.id})}, {"tokens", Json::array({bos.content})}};
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({special(0), text("A", 0)})},
          {"pair", Json::array({special(0), text("A", 0), special(1), text("B", 1)})},
          {"special_tokens", {{bos.content, entry}}}};
}

io::Json roberta_post_processor(const AddedToken& cls, const AddedToken& sep, bool add_prefix_space) {
  return {{"type", "RobertaProcessing"},
          {"sep", {sep.content, sep.id}},
          {"cls", {cls.content, cls.id}},
          {"trim_offsets", true},
          {"add_prefix_space", add_prefix_space}};
}

std::unique_ptr<VocabularyTokenizer> make_bpe(const BpeOptions& options, Vocabulary vocabulary, const Merges& merges,
                                              std::vector<AddedToken> added, io::Json post_processor,
                                              const std::string& source) {
  return std::make_unique<BpeTokenizer>(options, std::move(vocabulary), merges, std::move(added),
                                        std::move(post_processor), source);
}

}  // namespace saobp::text
