// Small pieces of HTML: escaping and figures as people read them.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "saobp/io/json.h"
#include "saobp/io/words.h"

namespace saobp::report {

// For text and for attribute values in quotes. Bytes that are not UTF-8 become U+FFFD, so the page is valid whatever a
// file's name was.
std::string escape(std::string_view text);

// In the place of what a run did not record.
inline const std::string kAbsent = "<span class='absent'>not recorded</span>";

// HTML that is seen when one opens it by its title; on paper it is open.
std::string folded(const std::string& title, const std::string& html);

// "%.{digits}f"; "not finite" where it is not.
std::string fixed(double value, int digits);
using io::grouped;
// Coordinates inside an SVG: at most two decimals, no trailing zeros.
std::string coordinate(double value);
// A name for an element and for a file: letters, digits, ".", "_" and "-" of `wanted`, "-" for each other stretch, and
// a number behind it where it is taken. Adds it to `taken`.
std::string unique_id(const std::string& wanted, std::set<std::string>& taken);
// A value from a JSON file as plain text: strings without quotes, numbers short, null as "none", lists and objects as
// JSON.
std::string plain_text(const io::Json& value);

}  // namespace saobp::report
