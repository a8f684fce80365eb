// A corpus as token ids: every source tokenised once into a memory-mapped cache (token_cache.h), document by document.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "saobp/data/corpus_options.h"
#include "saobp/data/token_cache.h"
#include "saobp/text/tokenizer.h"

namespace saobp::data {

// Tokenising on its way; `bytes` of `total_bytes` of the source are done.
struct CorpusProgress {
  std::string source;
  uint64_t bytes, total_bytes;  // of the files as they are stored
};

// A document's ids, in the memory-mapped cache.
using Document = std::span<const int32_t>;

// Documents to train on and documents that are held out of that, which have none in common.
enum class Part { all, training, held_out };

class Corpus {
 public:
  // Called from the thread that makes the corpus, some times a second at most; what it throws stops the work.
  using Progress = std::function<void(const CorpusProgress&)>;

  struct Source {
    std::string name;              // the path as it was given
    std::optional<double> weight;  // share of the rows; all sources have one or none has
    uint64_t files, bytes;         // as they are stored
    bool cached;                   // the cache was there already
    std::string damage;            // what was wrong with it, so that it was made again; empty where nothing was
    TokenCache tokens;             // tokens.documents(), tokens.tokens(), tokens.document(i), tokens.path()
  };

  // Reads, checks and (unless the cache holds it) tokenises every source, on `threads` threads (0: one a core).
  // Error for a missing path, invalid UTF-8 (file, line, byte offset), a binary file, a damaged compressed file (byte
  // offset), a JSON line without the text, a source without any token, a cache folder that can't be written.
  Corpus(const CorpusOptions& options, const text::Tokenizer& tokenizer, const Progress& progress = {},
         int threads = 0);

  const std::vector<Source>& sources() const { return sources_; }
  bool weighted() const { return sources_.front().weight.has_value(); }
  uint64_t documents() const;
  uint64_t tokens() const;
  // The documents of source `i` in the order of its text. Which part a document belongs to depends on its ids,
  // --holdout and --holdout-seed alone: copies of it are in the same part, and more text moves none to the other.
  std::vector<Document> documents(size_t i, Part part) const;

 private:
  bool held_out(Document document) const;

  std::vector<Source> sources_;
  double holdout_;
  uint64_t holdout_seed_;
};

}  // namespace saobp::data
