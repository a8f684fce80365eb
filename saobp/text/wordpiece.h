// WordPiece: words of the normalised text, each cut greedily into the longest pieces that the vocabulary has.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/text/added_tokens.h"
#include "saobp/text/normalizer.h"
#include "saobp/text/vocabulary.h"
#include "saobp/text/vocabulary_tokenizer.h"

namespace saobp::text {

struct WordPieceOptions {
  std::string unk_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  int64_t max_input_chars_per_word = 100;  // longer words become unk_token
  // Absent: the text is taken as it is.
  std::optional<BertNormalizerOptions> normalizer = BertNormalizerOptions{};
  bool strip_accents_given = false;  // false: strip_accents follows lowercase, and is null in JSON
  struct Decoder {
    std::string prefix = "##";
    bool cleanup = true;  // no space before punctuation and such
  };
  std::optional<Decoder> decoder = Decoder{};  // absent: tokens are joined with spaces
};

// The post-processor "[CLS] $A [SEP]" and "[CLS] $A [SEP] $B [SEP]"; null when the vocabulary lacks one of them.
io::Json bert_post_processor(const Vocabulary& vocabulary);
// The same with tokens that are called otherwise.
io::Json bert_post_processor(const AddedToken& cls, const AddedToken& sep);

std::unique_ptr<VocabularyTokenizer> make_wordpiece(const WordPieceOptions& options, Vocabulary vocabulary,
                                                    std::vector<AddedToken> added, io::Json post_processor,
                                                    const std::string& source);

}  // namespace saobp::text
