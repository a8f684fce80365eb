// What --what-if and --importance added to an analysis, as text for a terminal.
#pragma once

#include <string>

#include "saobp/io/json.h"

namespace saobp::report {

// Tables with a blank line before each, and a sentence on how to read it; "" for an analysis without either. Error
// naming `source` for a damaged one.
std::string study_tables(const io::Json& analysis, const std::string& source);

}  // namespace saobp::report
