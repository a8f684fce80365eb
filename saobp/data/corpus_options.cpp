#include "saobp/data/corpus_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "saobp/io/error.h"
#include "saobp/io/input_file.h"

namespace saobp::data {
namespace {

// The number that is all of `text`; nothing when it is none. One that a double can't hold reads as infinity.
std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return std::nullopt;
  return error == std::errc() ? value : INFINITY;
}

}  // namespace

const std::vector<std::string>& enum_names(DocumentEnd) {
  static const std::vector<std::string> names{"blank", "file", "line", "jsonl"};
  return names;
}

CorpusSource parse_source(const std::string& text, DocumentEnd document, const std::string& flag) {
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
        fail_usage(flag, " ", text, ": the weight is ", suffix, "; a positive number was expected");
      source.weight = number;
    } else {
      if (fs::exists(source.path.substr(0, colon), error))
        fail_usage(flag, " ", text, ": \"", suffix, "\" is neither a weight nor blank, file, line or jsonl");
      break;
    }
    source.path.resize(colon);
  }
  if (source.path.empty()) fail_usage(flag, " \"", text, "\": PATH[:WEIGHT][:blank|:file|:line|:jsonl] was expected");
  return source;
}

std::vector<CorpusSource> parse_sources(const CorpusOptions& options, const std::string& flag) {
  if (options.corpus.empty()) fail_usage(flag, ": no text was given; a file, a folder or a glob was expected");
  std::vector<CorpusSource> sources;
  sources.reserve(options.corpus.size());
  for (const auto& text : options.corpus) sources.push_back(parse_source(text, options.document, flag));
  for (const auto& source : sources)
    if (source.weight.has_value() != sources.front().weight.has_value()) {
      const auto& bare = source.weight ? sources.front() : source;
      fail_usage(flag, " ", bare.path, " has no weight but another source has; give all of them one, or none");
    }
  return sources;
}

DocumentEnd document_end(const CorpusSource& source, const fs::path& file) {
  if (source.document_given) return source.document;
  const auto extension = io::lower_extension(io::has_compressed_name(file) ? file.stem() : file);
  const bool json_lines =
      extension == ".jsonl" || extension == ".jsonlines" || extension == ".ndjson" || extension == ".json";
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
