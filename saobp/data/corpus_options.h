// Which text is read: sources, what is left out, and where a document ends.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/fields.h"

namespace saobp::data {

namespace fs = std::filesystem;

// Where a document ends besides the end of its file: at a line of white space only, or nowhere (novels, whose
// paragraphs are parted by blank lines).
enum class DocumentEnd { blank, file };
const std::vector<std::string>& enum_names(DocumentEnd);

struct CorpusOptions {
  std::vector<std::string> corpus;
  std::vector<std::string> exclude;
  DocumentEnd document = DocumentEnd::blank;
  std::string cache;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("corpus", self.corpus,
          "text: a file, a folder (read recursively) or a quoted glob, as PATH[:WEIGHT][:blank|:file]. WEIGHT is the "
          "source's share of the rows (all sources have one, or none: then every row counts alike); blank or file "
          "overrides --document for this source. Repeatable");
    visit("exclude", self.exclude,
          "glob of files to leave out, held against the file's name and its path within the source. Repeatable");
    visit("document", self.document,
          "a document ends at a line of white space (blank) or at the file's end only (file)");
    visit("cache", self.cache,
          "folder for tokenised text; by default $SAOBP_CACHE, $XDG_CACHE_HOME/saobp or ~/.cache/saobp");
  }
};

// One --corpus value, PATH[:WEIGHT][:blank|:file], the suffixes in either order.
struct CorpusSource {
  std::string path;              // file, folder or glob
  std::optional<double> weight;  // > 0
  DocumentEnd document = DocumentEnd::blank;
};

// A path that exists as it is written wins over a suffix. UsageError when a weight is not a positive finite number.
CorpusSource parse_source(const std::string& text, DocumentEnd document);

// Every --corpus value; UsageError when there is none, or when some have a weight and some have not.
std::vector<CorpusSource> parse_sources(const CorpusOptions& options);

// The files of one source in bytewise order of their paths. Hidden files and folders (a name starting with '.') are
// skipped unless named outright, symbolic links to folders are not followed, and files that match a glob of `exclude`
// are left out. Error when the path is missing, the glob matches nothing, or no file is left.
std::vector<fs::path> find_files(const CorpusSource& source, const std::vector<std::string>& exclude);

// `option`, else $SAOBP_CACHE, else $XDG_CACHE_HOME/saobp, else ~/.cache/saobp, else .cache/saobp.
fs::path cache_folder(const std::string& option);

}  // namespace saobp::data
