// What every tokenizer does: text to ids and back. Made from Hugging Face files; immutable, so that any number of
// threads may encode with one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saobp::text {

// Ids of the tokens with a role; absent where the vocabulary has none.
struct SpecialTokens {
  std::optional<int32_t> cls, sep, mask, pad, unk, eos;

  // What ends a text of a causal model, and stands between two: <|endoftext|>, or [SEP] where there is none, as in a
  // WordPiece vocabulary.
  std::optional<int32_t> end_of_text() const { return eos ? eos : sep; }
};

// Where a token stands in its text: half-open, in bytes or in code points.
struct Span {
  uint32_t begin = 0, end = 0;
  bool operator==(const Span&) const = default;
};

class PostProcessor;

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the ids of `text` (valid UTF-8, else Error), without special tokens around it. Special tokens that are
  // written out in the text ("[MASK]") become their ids, as in the `tokenizers` package.
  virtual void encode(std::string_view text, std::vector<int32_t>& ids) const = 0;
  // The same, and for each id the bytes of `text` that it was made from: whole characters, so that two tokens which
  // share one overlap; with the white space that an added token takes along. encoding.h puts special tokens around
  // them.
  virtual void encode(std::string_view text, std::vector<int32_t>& ids, std::vector<Span>& spans) const = 0;
  // What is put around texts and pairs.
  virtual const PostProcessor& post_processor() const = 0;
  // Text again; `skip_special` leaves out special tokens. An id without a token between others
  // stands for nothing; Error for one outside of the vocabulary.
  virtual std::string decode(const std::vector<int32_t>& ids, bool skip_special) const = 0;
  // The token as the vocabulary spells it ("##ing", "Ġthe"); Error for an id that is not there. has_token: whether it
  // is.
  virtual bool has_token(int32_t id) const = 0;
  // Whether it is looked for in the text as it is written.
  virtual bool is_added(int32_t id) const = 0;
  virtual const std::string& token(int32_t id) const = 0;
  // The same as the tokenizer was given it, by which id() finds it: an added token before it is normalised.
  virtual const std::string& content(int32_t id) const = 0;
  virtual std::optional<int32_t> id(std::string_view token) const = 0;
  // One more than the largest id, added tokens included: what a model's embedding must hold.
  virtual int64_t vocab_size() const = 0;
  virtual const SpecialTokens& special() const = 0;
  // "wordpiece" or "bpe".
  virtual const char* kind() const = 0;
  // The whole tokenizer as a tokenizer.json that the `tokenizers` package loads. Two tokenizers with equal texts encode
  // alike, so a hash of it keys caches.
  virtual std::string to_json() const = 0;

  std::vector<int32_t> encode(std::string_view text) const {
    std::vector<int32_t> ids;
    encode(text, ids);
    return ids;
  }
};

// `path`: a tokenizer.json, a vocab.txt, a vocab.json (merges.txt beside it), or a folder that holds one of these
// (taken in that order). Throws Error naming the file and what in it is not supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);

}  // namespace saobp::text
