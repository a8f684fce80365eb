// What a tokenizer.json says is put around a text or a pair: special tokens and token types, and whether spans leave
// white space out. Read from TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, or a Sequence of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::text {

class PostProcessor {
 public:
  // One place of a row: a text (0 or 1), or special tokens.
  struct Piece {
    int text = -1;             // −1: the ids below
    std::vector<int32_t> ids;  // of special tokens
    int32_t type = 0;
    bool operator==(const Piece&) const = default;
  };
  using Template = std::vector<Piece>;

  // `json` as in the file, null for none. Error naming `source` for one that is not supported or damaged.
  PostProcessor(io::Json json, const std::string& source);

  // The rows of a text, and of a pair.
  const Template& single() const { return single_; }
  const Template& pair() const { return pair_; }
  // The same without special tokens.
  static Template bare(bool pair);
  // Whether special tokens are put around texts.
  bool adds() const { return single_.size() > 1; }
  // Spans leave out white space at a token's ends; the value: a token at the text's front has a space that was put
  // there.
  std::optional<bool> trims() const { return trims_; }
  // The types of a row's texts hold in its further windows too.
  bool types_windows() const { return types_windows_; }
  const io::Json& json() const { return json_; }

 private:
  void read(const io::Json& json, const std::string& source);
  void read_template(const io::Json& json, const std::string& source);

  io::Json json_;
  Template single_ = bare(false), pair_ = bare(true);
  std::optional<bool> trims_;
  bool types_windows_ = false;
};

}  // namespace saobp::text
