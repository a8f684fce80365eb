// An analysis by parts of its sequences: labels, options, right and wrong answers, places of the query, lengths.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "saobp/report/analysis_record.h"
#include "saobp/report/table.h"

namespace saobp::report {

// One table for each kind of part that some of these analyses have, a row each part: means of B over heads and layers,
// of the measures that a terminal shows. Analyses have names, which head their rows where there are several. Error for
// a damaged one.
std::vector<Table> group_tables(const std::vector<std::pair<std::string, const AnalysisRecord*>>& analyses,
                                const std::string& id);

}  // namespace saobp::report
