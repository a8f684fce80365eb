// "correlations" of an analysis (recipes/correlations.h), for a terminal and for a page.
#pragma once

#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/report/table.h"

namespace saobp::report {

// One table a list, the strongest first. Error naming `source` for what is damaged.
std::vector<Table> correlation_tables(const io::Json& correlations, const std::string& id, const std::string& source);

}  // namespace saobp::report
