// Byte-level BPE as in GPT-2: text is cut by a pattern, each piece's bytes are merged pair by pair, the pair that was
// learnt first going first.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/text/added_tokens.h"
#include "saobp/text/vocabulary.h"
#include "saobp/text/vocabulary_tokenizer.h"

namespace saobp::text {

struct BpeOptions {
  bool add_prefix_space = false;  // a space before text that does not start with one
  bool use_regex = true;          // cut by GPT-2's pattern; else the whole text is one piece
  bool trim_offsets = true;       // of no effect on ids; kept for the file
  bool ignore_merges = false;     // a piece that is a token is that token, whatever the merges say
  std::optional<std::string> unk_token = std::nullopt;  // for bytes without a token, which are left out otherwise
  bool fuse_unk = false;                                // several in a row are one
  bool byte_level_decoder = true;                       // else tokens are joined with spaces
};

using Merges = std::vector<std::pair<std::string, std::string>>;

// Tokens and merges are spelt in the byte alphabet ("Ġthe").
std::unique_ptr<VocabularyTokenizer> make_bpe(const BpeOptions& options, Vocabulary vocabulary, const Merges& merges,
                                              std::vector<AddedToken> added, io::Json post_processor,
                                              const std::string& source);

// What GPT-2's files have: nothing is added around the text, or what begins a text before it; and RoBERTa's.
io::Json byte_level_post_processor();
io::Json begin_post_processor(const AddedToken& bos);
io::Json roberta_post_processor(const AddedToken& cls, const AddedToken& sep, bool add_prefix_space);

}  // namespace saobp::text
