// The analyses of a run's checkpoints, as text for a terminal.
#pragma once

#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::report {

// A line for each checkpoint with means over layers and heads of the matrix that layers use, and how measures go with
// scores over them (recipes/correlations.h); says so where `correlations` is empty. Errors as read_analysis has them.
std::string checkpoints_table(const std::vector<io::Json>& records, const io::Json& correlations,
                              const std::string& run);

}  // namespace saobp::report
