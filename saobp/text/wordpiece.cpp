#include "saobp/text/wordpiece.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "saobp/io/file.h"
#include "saobp/text/bert_words.h"
#include "saobp/text/byte_trie.h"
#include "saobp/text/scratch_pool.h"
#include "saobp/text/utf8.h"
#include "saobp/text/vocabulary_tokenizer.h"

namespace saobp::text {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// The package's clean-up, one token (with the space before it) at a time.
void clean_up(std::string& token) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(token, from, to);
}

class WordPieceTokenizer final : public VocabularyTokenizer {
 public:
  WordPieceTokenizer(const WordPieceOptions& options, Vocabulary vocabulary, std::vector<AddedToken> added,
                     io::Json post_processor, const std::string& source)
      : VocabularyTokenizer(std::move(vocabulary), std::move(added), std::move(post_processor), source),
        options_(options) {
    auto unk = vocabulary_.id(options.unk_token);
    if (!unk || !in_model(*unk))
      fail(source, ": the vocabulary has no \"", options.unk_token, "\", which stands for unknown words");
    unk_ = *unk;
    special_.unk = unk_;
    if (options.normalizer) normalizer_ = &bert_normalizer(*options.normalizer);
    std::vector<std::pair<std::string_view, int32_t>> entries;
    for (int32_t id = 0; id < vocabulary_.end(); ++id)
      if (in_model(id) && !vocabulary_.token(id).empty()) entries.emplace_back(vocabulary_.token(id), id);
    trie_ = ByteTrie(std::move(entries));
    continuation_ = trie_.walk(ByteTrie::kRoot, options.continuing_subword_prefix);
    bert_classes();  // made now rather than by the first text
    match_added([this](const std::string& text) { return normalizer_ ? normalizer_->normalize(text) : text; }, source);
  }

  using Tokenizer::encode;
  void encode(std::string_view text, std::vector<int32_t>& ids) const override {
    io::require_utf8(text, "text to encode");
    auto scratch = scratch_.borrow();
    auto push = [&](int32_t id, std::string_view) { ids.push_back(id); };
    NoSpans none;
    raw_matcher_.split(
        text,
        [&](std::string_view section) {
          if (normalizer_) {
            normalizer_->normalize(section, scratch->text);
            section = scratch->text;
          }
          normalized_matcher_.split(section, [&](std::string_view part) { encode_words(part, ids, none); }, push);
        },
        push);
  }

  void encode(std::string_view text, std::vector<int32_t>& ids, std::vector<Span>& spans) const override {
    io::require_utf8(text, "text to encode");
    auto scratch = scratch_.borrow();
    raw_matcher_.split(
        text,
        [&](std::string_view section) {
          Spans marks{text, section, section, nullptr, spans};
          if (normalizer_) {
            normalizer_->normalize(section, scratch->text, scratch->origins);
            marks.normalized = section = scratch->text;
            marks.origins = &scratch->origins;
          }
          normalized_matcher_.split(
              section, [&](std::string_view part) { encode_words(part, ids, marks); },
              [&](int32_t id, std::string_view place) { ids.push_back(id), marks.add(place); });
        },
        [&](int32_t id, std::string_view place) {
          ids.push_back(id), Spans{text, text, text, nullptr, spans}.add(place);
        });
  }

  std::string decode(const std::vector<int32_t>& ids, bool skip_special) const override {
    std::string text, piece;
    bool first = true;
    for (std::string_view token : tokens(ids, skip_special)) {
      piece.clear();
      if (!options_.decoder) {
        piece.append(first ? "" : " ").append(token);
      } else {
        const std::string& prefix = options_.decoder->prefix;
        if (first)
          piece = token;
        else if (token.starts_with(prefix))
          piece = token.substr(prefix.size());
        else
          piece.append(" ").append(token);
        if (options_.decoder->cleanup) clean_up(piece);
      }
      text += piece;
      first = false;
    }
    return text;
  }

  const char* kind() const override { return "wordpiece"; }

 private:
  // Receives the place of each token in the normalised text.
  struct NoSpans {
    void add(std::string_view) {}
    void drop(size_t) {}
  };
  struct Spans {
    std::string_view text, section, normalized;  // all; what was normalised; what came of it
    const std::vector<uint32_t>* origins;        // null where nothing was normalised
    std::vector<Span>& spans;

    void add(std::string_view place) {
      const auto base = static_cast<uint32_t>(section.data() - text.data());
      const auto begin = static_cast<uint32_t>(place.data() - normalized.data());
      const auto end = begin + static_cast<uint32_t>(place.size());
      if (!origins) {
        spans.push_back({base + begin, base + end});
        return;
      }
      const uint32_t last = (*origins)[end - 1];
      spans.push_back({base + (*origins)[begin],
                       base + last + static_cast<uint32_t>(utf8_length(static_cast<unsigned char>(section[last])))});
    }
    void drop(size_t count) { spans.resize(spans.size() - count); }
  };
  struct Scratch {
    std::string text;
    std::vector<uint32_t> origins;
  };

  template <class Marks>
  void encode_words(std::string_view text, std::vector<int32_t>& ids, Marks& marks) const {
    split_bert_words(text, [&](std::string_view word) { encode_word(word, ids, marks); });
  }

  bool too_long(std::string_view word) const {
    auto most = static_cast<size_t>(options_.max_input_chars_per_word);
    if (word.size() <= most) return false;
    auto starts = std::count_if(word.begin(), word.end(), [](char b) { return (b & 0xC0) != 0x80; });
    return static_cast<size_t>(starts) > most;
  }

  template <class Marks>
  void encode_word(std::string_view word, std::vector<int32_t>& ids, Marks& marks) const {
    if (too_long(word)) return ids.push_back(unk_), marks.add(word);
    size_t before = ids.size();
    int32_t state = ByteTrie::kRoot;
    for (size_t start = 0; start < word.size(); state = continuation_) {
      int32_t longest = ByteTrie::kNone;
      size_t end = start;
      for (size_t i = start; i < word.size() && state != ByteTrie::kNone; ++i) {
        if ((state = trie_.step(state, word[i])) == ByteTrie::kNone) break;
        if (int32_t id = trie_.value(state); id != ByteTrie::kNone) longest = id, end = i + 1;
      }
      if (longest == ByteTrie::kNone) {  // one piece that is missing makes the whole word unknown
        marks.drop(ids.size() - before);
        ids.resize(before);
        return ids.push_back(unk_), marks.add(word);
      }
      ids.push_back(longest);
      marks.add(word.substr(start, end - start));
      start = end;
    }
  }

  io::Json normalizer_json() const override {
    if (!options_.normalizer) return nullptr;
    const BertNormalizerOptions& o = *options_.normalizer;
    io::Json strip = nullptr;
    if (options_.strip_accents_given) strip = o.strip_accents;
    return {{"type", "BertNormalizer"},
            {"clean_text", o.clean_text},
            {"handle_chinese_chars", o.handle_chinese_chars},
            {"strip_accents", strip},
            {"lowercase", o.lowercase}};
  }
  io::Json pre_tokenizer_json() const override { return {{"type", "BertPreTokenizer"}}; }
  io::Json decoder_json() const override {
    if (!options_.decoder) return nullptr;
    return {{"type", "WordPiece"}, {"prefix", options_.decoder->prefix}, {"cleanup", options_.decoder->cleanup}};
  }
  io::Json model_json() const override {
    return {{"type", "WordPiece"},
            {"unk_token", options_.unk_token},
            {"continuing_subword_prefix", options_.continuing_subword_prefix},
            {"max_input_chars_per_word", options_.max_input_chars_per_word}};
  }

  WordPieceOptions options_;
  int32_t unk_ = 0;
  const BertNormalizer* normalizer_ = nullptr;  // none: the text is taken as it is
  ByteTrie trie_;
  int32_t continuation_ = ByteTrie::kNone;  // the state after the prefix of pieces that do not start a word
  mutable ScratchPool<Scratch> scratch_;
};

}  // namespace

io::Json bert_post_processor(const Vocabulary& vocabulary) {
  const auto cls = vocabulary.id("[CLS]"), sep = vocabulary.id("[SEP]");
  if (!cls || !sep) return nullptr;
  return bert_post_processor({.id = *cls, .content = "[CLS]"}, {.id = *sep, .content = "[SEP]"});
}

io::Json bert_post_processor(const AddedToken& cls, const AddedToken& sep) {
  using io::Json;
  const auto special = [](const std::string& name, int type) {
    return Json{{"SpecialToken", {{"id", name}, {"type_id", type}}}};
  };
  const auto text = [](const char* name, int type) { return Json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  const auto entry = [](const AddedToken& token) {
    return Json{{"id", token.content}, {"ids", Json::array({token.id})}, {"tokens", Json::array({token.content})}};
  };
  const auto &c = cls.content, &s = sep.content;
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({special(c, 0), text("A", 0), special(s, 0)})},
          {"pair", Json::array({special(c, 0), text("A", 0), special(s, 0), text("B", 1), special(s, 1)})},
          {"special_tokens", {{c, entry(cls)}, {s, entry(sep)}}}};
}

std::unique_ptr<VocabularyTokenizer> make_wordpiece(const WordPieceOptions& options, Vocabulary vocabulary,
                                                    std::vector<AddedToken> added, io::Json post_processor,
                                                    const std::string& source) {
  return std::make_unique<WordPieceTokenizer>(options, std::move(vocabulary), std::move(added),
                                              std::move(post_processor), source);
}

}  // namespace saobp::text
