// Texts of a task from the fields of a record: "{sentence1}", "{ctx_b} {option}".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "saobp/data/records.h"

namespace saobp::tasks {

// "{name}" stands for a field ("{a/b}" for the first of several that is there, "{name?}" for nothing where it is not),
// "{name|filter|filter}" for what filters make of it, one after the other:
//   strip        without white space at both ends
//   capitalize   the first letter upper, the others lower case, as Python's str.capitalize
//   wikihow      without WikiHow's marks: " [title]" becomes ". ", other brackets go, and one double space in two
//                (lm-evaluation-harness, tasks/hellaswag/utils.py)
//   before:X     up to the first X
//   fill         with the option in the place of the blank ("_"); where there is none, behind it
// "{option}" is the option of a choice. "{{" is a brace.
class Template {
 public:
  Template() = default;
  // Error that begins with `source` for what is no template.
  Template(std::string_view text, const std::string& source);

  bool empty() const { return pieces_.empty(); }
  // Names of the fields that have to be there, without "option".
  std::vector<std::string> fields() const;
  std::string fill(const data::Record& record, std::string_view option = {}) const;

 private:
  struct Piece {
    std::string text;  // as it stands, or the field's name
    bool is_field = false, optional = false;
    std::vector<std::string> filters = {};
  };
  std::string text_;
  std::vector<Piece> pieces_;
};

// What the filters make of a text, one after the other. Error that begins with `source` for one that is not known.
std::string filtered(std::string text, const std::vector<std::string>& filters, const std::string& source);

}  // namespace saobp::tasks
