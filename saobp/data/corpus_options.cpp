#include "saobp/data/corpus_options.h"

#include <fnmatch.h>
#include <glob.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "saobp/io/error.h"

namespace saobp::data {
namespace {

// The number that is all of `text`; nothing when it is none. One that a double can't hold reads as infinity.
std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return std::nullopt;
  return error == std::errc() ? value : INFINITY;
}

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool matches(const std::vector<std::string>& globs, const std::string& text) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return ::fnmatch(glob.c_str(), text.c_str(), 0) == 0; });
}

// Collects the files of one source; paths below `root` are held against --exclude without it.
class Finder {
 public:
  explicit Finder(const std::vector<std::string>& exclude) : exclude_(exclude) {}

  void add(const fs::path& path) {
    if (fs::is_directory(path)) return walk(path);
    if (!fs::is_regular_file(path)) fail(path.string(), ": is neither a file nor a folder");
    add_file(path, path.string());
  }

  std::vector<fs::path> files;
  size_t excluded = 0;

 private:
  void add_file(const fs::path& path, const std::string& relative) {
    if (matches(exclude_, path.filename().string()) || matches(exclude_, relative))
      ++excluded;
    else
      files.push_back(path);
  }

  void walk(const fs::path& root) {
    for (auto at = fs::recursive_directory_iterator(root); at != fs::recursive_directory_iterator(); ++at) {
      if (hidden(at->path())) {
        if (at->is_directory()) at.disable_recursion_pending();
      } else if (at->is_regular_file()) {
        add_file(at->path(), at->path().lexically_relative(root).generic_string());
      }
    }
  }

  const std::vector<std::string>& exclude_;
};

// The paths that a glob matches, names starting with '.' left out.
std::vector<fs::path> expand_glob(const std::string& pattern) {
  ::glob_t found{};
  int status = ::glob(pattern.c_str(), GLOB_ERR | GLOB_NOSORT, nullptr, &found);
  std::vector<fs::path> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status == GLOB_NOMATCH) fail(pattern, ": no file matches; a file, a folder or a glob was expected");
  if (status != 0) fail(pattern, ": a folder of this glob cannot be read");
  return paths;
}

}  // namespace

const std::vector<std::string>& enum_names(DocumentEnd) {
  static const std::vector<std::string> names{"blank", "file", "line", "jsonl"};
  return names;
}

CorpusSource parse_source(const std::string& text, DocumentEnd document) {
  CorpusSource source{text, std::nullopt, document};
  const auto& ends = enum_names(DocumentEnd{});
  std::error_code error;
  while (!fs::exists(source.path, error)) {
    size_t colon = source.path.rfind(':');
    if (colon == std::string::npos) break;
    std::string suffix = source.path.substr(colon + 1);
    if (auto end = std::find(ends.begin(), ends.end(), suffix); !source.document_given && end != ends.end()) {
      source.document = static_cast<DocumentEnd>(end - ends.begin());
      source.document_given = true;
    } else if (auto number = parse_number(suffix); number && !source.weight) {
      if (!(*number > 0) || !std::isfinite(*number))
        fail_usage("--corpus ", text, ": the weight is ", suffix, "; a positive number was expected");
      source.weight = number;
    } else {
      if (fs::exists(source.path.substr(0, colon), error))
        fail_usage("--corpus ", text, ": \"", suffix, "\" is neither a weight nor blank, file, line or jsonl");
      break;
    }
    source.path.resize(colon);
  }
  if (source.path.empty()) fail_usage("--corpus \"", text, "\": PATH[:WEIGHT][:blank|:file|:line|:jsonl] was expected");
  return source;
}

std::vector<CorpusSource> parse_sources(const CorpusOptions& options) {
  if (options.corpus.empty()) fail_usage("--corpus: no text was given; a file, a folder or a glob was expected");
  std::vector<CorpusSource> sources;
  sources.reserve(options.corpus.size());
  for (const auto& text : options.corpus) sources.push_back(parse_source(text, options.document));
  for (const auto& source : sources)
    if (source.weight.has_value() != sources.front().weight.has_value()) {
      const auto& bare = source.weight ? sources.front() : source;
      fail_usage("--corpus ", bare.path, " has no weight but another source has; give all of them one, or none");
    }
  return sources;
}

std::vector<fs::path> find_files(const CorpusSource& source, const std::vector<std::string>& exclude) {
  Finder finder(exclude);
  try {
    if (fs::exists(source.path)) {
      finder.add(source.path);
    } else if (source.path.find_first_of("*?[") != std::string::npos) {
      for (const auto& path : expand_glob(source.path)) finder.add(path);
    } else {
      fail(source.path, ": no such file or folder");
    }
  } catch (const fs::filesystem_error& e) {
    fail(e.path1().empty() ? source.path : e.path1().string(), ": cannot be read: ", e.code().message());
  }
  if (finder.files.empty() && finder.excluded > 0)
    fail(source.path, ": --exclude leaves none of its ", finder.excluded, " files");
  if (finder.files.empty()) fail(source.path, ": no file is in this folder; text files were expected");
  std::sort(finder.files.begin(), finder.files.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return finder.files;
}

DocumentEnd document_end(const CorpusSource& source, const fs::path& file) {
  if (source.document_given) return source.document;
  auto extension = file.extension();
  if (extension == ".gz" || extension == ".zst") extension = file.stem().extension();
  const bool json_lines = extension == ".jsonl" || extension == ".ndjson" || extension == ".json";
  return json_lines ? DocumentEnd::jsonl : source.document;
}

fs::path cache_folder(const std::string& option) {
  auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (!option.empty()) return option;
  if (auto folder = variable("SAOBP_CACHE"); !folder.empty()) return folder;
  if (auto folder = variable("XDG_CACHE_HOME"); !folder.empty()) return fs::path(folder) / "saobp";
  if (auto home = variable("HOME"); !home.empty()) return fs::path(home) / ".cache" / "saobp";
  return fs::path(".cache") / "saobp";
}

}  // namespace saobp::data
