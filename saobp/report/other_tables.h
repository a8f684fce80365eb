// What an analysis measured of hidden states and of weights, as text for a terminal.
#pragma once

#include <string>

#include "saobp/io/json.h"
#include "saobp/report/analysis_table.h"

namespace saobp::report {

// Of the measures that were asked for by name; "" where there are none. A blank line before each table. Error naming
// `source` for a damaged one.
std::string other_tables(const io::Json& analysis, TableDetail detail, const std::string& source);

}  // namespace saobp::report
