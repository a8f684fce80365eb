// One field of a JSON object, without a tree of the rest. What is beside the field only has to be skippable: NaN,
// Infinity and -Infinity, as Python writes them, numbers of any size and halves of surrogate pairs do no harm there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saobp::data {

// What is wrong, and at which byte of the text (from 0).
struct JsonFault {
  size_t at;
  std::string reason;
};

struct JsonField {
  std::string type;                 // of the whole text: "an object", "a list" …; the rest is of an object
  std::optional<std::string> text;  // the field's, where it is a string
  std::string found;                // its type: "a string", "null" …; empty where there is no such field
  std::vector<std::string> names;   // of all fields, the first dozen
};

// Looks at the top level of `json`, which must be UTF-8. Throws JsonFault for what is no JSON, for a field that stands
// there twice, and for a text with half of a surrogate pair in it.
JsonField find_json_field(std::string_view json, std::string_view field);

}  // namespace saobp::data
