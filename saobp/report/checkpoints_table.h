// The analyses of a run's checkpoints, as text for a terminal.
#pragma once

#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::report {

// A line for each checkpoint with means over layers and heads of the matrix that layers use, and, where metrics.jsonl
// of `run` has validation losses at those steps, the correlation of each measure with them: Pearson's r with its 95 %
// interval, Spearman's ρ, and Pearson's p corrected for the number of measures (scores/correlation.h). Says so where
// fewer than three checkpoints have a loss. Errors as read_analysis has them.
std::string checkpoints_table(const std::vector<io::Json>& records, const std::string& run);

}  // namespace saobp::report
