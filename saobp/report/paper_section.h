// The paper's tables with rows of the runs at hand in front.
#pragma once

#include <vector>

#include "saobp/report/curves.h"
#include "saobp/report/run.h"
#include "saobp/report/table.h"

namespace saobp::report {

// Tables 1, 2, 3, 6, 7, 8 and 9 as far as the runs fill a cell: a row for every group of seeds, with the standard
// deviation over seeds or else the standard error over examples; of scores the best trivial baseline; and the paper's
// rows of the sizes that the runs have, or of all sizes.
std::vector<Table> paper_comparisons(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups);

}  // namespace saobp::report
