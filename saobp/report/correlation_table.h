// "correlations" of an analysis (recipes/correlations.h), for a terminal and for a page.
#pragma once

#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/report/table.h"
#include "saobp/scores/correlation.h"

namespace saobp::report {

// "r = 0.70 (95 %: 0.10 to 0.92), p = 0.030"; "r = –" where it is not defined.
std::string in_words(const scores::Correlation& found);

// One table a list, the strongest first. Error naming `source` for what is damaged.
std::vector<Table> correlation_tables(const io::Json& correlations, const std::string& id, const std::string& source);

}  // namespace saobp::report
