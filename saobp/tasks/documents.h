// A text file as the documents that a language model is asked about, one by one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace saobp::tasks {

// Where a document ends: with the file, at a line of white space, at each line that is not blank, or before each title
// of a page ("= Title =") as WikiText has it.
enum class Documents { file, blank, line, wikitext };

inline const std::vector<std::string>& enum_names(Documents) {
  static const std::vector<std::string> names = {"file", "blank", "line", "wikitext"};
  return names;
}

// Those that are not white space alone.
std::vector<std::string_view> documents_of(std::string_view text, Documents how);

// WikiText as it may have been before it was cut into tokens: lm-evaluation-harness, tasks/wikitext.
std::string detokenized_wikitext(std::string text);

// Words between white space. `with_ends`: as the harness counts, len(re.split(r"\s+", text)), where white space at
// either end makes an empty word.
int64_t count_words(std::string_view text, bool with_ends);

}  // namespace saobp::tasks
