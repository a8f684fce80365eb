// What WordPiece and BPE share: the vocabulary, added tokens, roles, and the frame of a tokenizer.json.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/text/added_tokens.h"
#include "saobp/text/post_processor.h"
#include "saobp/text/side_files.h"
#include "saobp/text/tokenizer.h"
#include "saobp/text/vocabulary.h"

namespace saobp::text {

// Special tokens as added tokens; names that the vocabulary lacks are left out.
std::vector<AddedToken> special_tokens(const Vocabulary& vocabulary, const std::vector<std::string>& names);

class VocabularyTokenizer : public Tokenizer {
 public:
  // An added token that is looked for in normalised text reads as it is looked for, as in the `tokenizers` package;
  // id() knows it as it was given.
  const std::string& token(int32_t id) const override {
    const auto found = as_normalized_.find(id);
    return found == as_normalized_.end() ? vocabulary_.token(id) : found->second;
  }
  const std::string& content(int32_t id) const override { return vocabulary_.token(id); }
  std::optional<int32_t> id(std::string_view token) const override { return vocabulary_.id(token); }
  bool has_token(int32_t id) const override { return vocabulary_.has(id); }
  bool is_added(int32_t id) const override { return vocabulary_.has(id) && is_added_[static_cast<size_t>(id)]; }
  const PostProcessor& post_processor() const override { return post_processor_; }
  int64_t vocab_size() const override { return vocabulary_.end(); }
  const SpecialTokens& special() const override { return special_; }
  std::string to_json() const override;

  // The roles that files beside the tokenizer's name, of tokens that it has.
  void set_roles(const Roles& roles);

 protected:
  // `vocabulary` is the model's. An added token that is not in it gets the id that its list gives, which must be the
  // next one, as the `tokenizers` package counts. `source` is what messages call the file.
  VocabularyTokenizer(Vocabulary vocabulary, std::vector<AddedToken> added, io::Json post_processor,
                      const std::string& source);
  // Patterns of the added tokens with `normalized`, once the derived class can normalise.
  template <class Normalize>
  void match_added(Normalize&& normalize, const std::string& source) {
    std::vector<AddedToken> raw, normalized;
    std::vector<std::string> raw_patterns, normalized_patterns;
    for (bool special : {true, false}) {  // special ones first: of equal patterns the first counts
      for (const AddedToken& token : added_) {
        if (token.special != special) continue;
        std::string pattern = token.normalized ? normalize(token.content) : token.content;
        refuse_empty(pattern, token, source);
        if (token.normalized && pattern != token.content) read_as(token, pattern);
        (token.normalized ? normalized : raw).push_back(token);
        (token.normalized ? normalized_patterns : raw_patterns).push_back(std::move(pattern));
      }
    }
    raw_matcher_ = AddedTokenMatcher(std::move(raw), raw_patterns);
    normalized_matcher_ = AddedTokenMatcher(std::move(normalized), normalized_patterns);
  }
  bool skip(int32_t id, bool skip_special) const { return skip_special && is_special_[static_cast<size_t>(id)]; }
  // The tokens of `ids`, without those that are not there, and without special ones if asked.
  std::vector<std::string_view> tokens(const std::vector<int32_t>& ids, bool skip_special) const;

  // Whether the id is the model's, not only an added token's.
  bool in_model(int32_t id) const { return vocabulary_.has(id) && !extra_.count(id); }

  // Parts of the JSON that depend on the model.
  virtual io::Json normalizer_json() const = 0;
  virtual io::Json pre_tokenizer_json() const = 0;
  virtual io::Json decoder_json() const = 0;
  // The model without its vocabulary; what follows the vocabulary, as JSON text ("" or `,"merges":[…]`).
  virtual io::Json model_json() const = 0;
  virtual std::string after_vocabulary() const { return ""; }

  Vocabulary vocabulary_;  // with the added tokens
  std::vector<AddedToken> added_;
  AddedTokenMatcher raw_matcher_, normalized_matcher_;
  SpecialTokens special_;

 private:
  // An added token that is normalised to something else reads as that, and is then special only if that is.
  void read_as(const AddedToken& token, const std::string& pattern);
  static void refuse_empty(const std::string& pattern, const AddedToken& token, const std::string& source);
  PostProcessor post_processor_;
  std::vector<bool> is_special_, is_added_;  // by id
  std::unordered_map<int32_t, std::string> as_normalized_;
  std::unordered_set<int32_t> extra_;  // added tokens that the model does not have
};

}  // namespace saobp::text
