// Which text is read: sources, what is left out, and where a document ends.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/fields.h"

namespace saobp::data {

namespace fs = std::filesystem;

// Where a document ends besides the end of its file: at a line of white space only; nowhere (novels, whose paragraphs
// are parted by blank lines); at the end of each line; or each line is a JSON object that holds one.
enum class DocumentEnd { blank, file, line, jsonl };
const std::vector<std::string>& enum_names(DocumentEnd);

struct CorpusOptions {
  std::vector<std::string> corpus;
  std::vector<std::string> exclude;
  DocumentEnd document = DocumentEnd::blank;
  std::string cache;
  std::string text_field = "text";
  bool pack = true;
  double holdout = 0;
  int64_t holdout_seed = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit(
        "corpus", self.corpus,
        "text, plain or compressed with gzip or zstd, or Parquet: a file, a folder (read recursively) or a quoted "
        "glob, as "
        "PATH[:WEIGHT][:blank|:file|:line|:jsonl]. WEIGHT is the source's share of the rows (all sources have one, or "
        "none: then every row counts alike); the last part overrides --document for this source. Repeatable");
    visit("exclude", self.exclude,
          "glob of files to leave out, held against the file's name and its path within the source. Repeatable");
    visit(
        "document", self.document,
        "a document ends at a line of white space (blank), at the file's end only (file), or at each line's (line); or "
        "each line is a JSON object that holds one (jsonl), as always in files named .jsonl, .jsonlines, .ndjson or "
        ".json");
    visit("cache", self.cache,
          "folder for tokenised text; by default $SAOBP_CACHE, $XDG_CACHE_HOME/saobp or ~/.cache/saobp");
    visit("text_field", self.text_field,
          "the field of a JSON object, or the column of a Parquet table, that holds the text");
    visit("pack", self.pack,
          "rows run on from one document into the next; without, a row holds tokens of one document only and is "
          "filled up with padding");
    visit("holdout", self.holdout,
          "share of the documents that is not trained but validated on, chosen by their content; 0: none",
          io::between(0, 0.5));
    visit("holdout_seed", self.holdout_seed, "of the choice of these documents, which --seed does not change",
          io::at_least(0));
  }
};

// One --corpus value, PATH[:WEIGHT][:blank|:file|:line|:jsonl], the suffixes in either order.
struct CorpusSource {
  std::string path;              // file, folder or glob
  std::optional<double> weight;  // > 0
  DocumentEnd document = DocumentEnd::blank;
  bool document_given = false;  // by a suffix, which holds for files of any name
};

// A path that exists as it is written wins over a suffix. UsageError when a weight is not a positive finite number.
// Messages call the option `flag`.
CorpusSource parse_source(const std::string& text, DocumentEnd document, const std::string& flag = "--corpus");

// Every --corpus value; UsageError when there is none, or when some have a weight and some have not.
std::vector<CorpusSource> parse_sources(const CorpusOptions& options, const std::string& flag = "--corpus");

// What can be read once only: pipes, devices and "-", standard input.
enum class Streams { refused, accepted };

// The files of one source in bytewise order of their paths. Links are followed, each folder is walked once, by its own
// name where it has one in the source. Hidden files and folders (a name starting with '.') are skipped unless named
// outright, and files that match a glob of `exclude` are left out. Error when the path is missing, the glob matches
// nothing, a link leads nowhere, something is no file, or no file is left.
std::vector<fs::path> find_files(const CorpusSource& source, const std::vector<std::string>& exclude,
                                 Streams streams = Streams::refused);

// How a file of the source is cut: JSON lines by its name (.jsonl, .jsonlines, .ndjson or .json, in any case, perhaps
// with .gz, .gzip, .zst or .zstd after it) unless the source was given a suffix, and else as the source says.
DocumentEnd document_end(const CorpusSource& source, const fs::path& file);

// `option`, else $SAOBP_CACHE, else $XDG_CACHE_HOME/saobp, else ~/.cache/saobp, else .cache/saobp.
fs::path cache_folder(const std::string& option);

}  // namespace saobp::data
