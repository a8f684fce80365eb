// The part of the page about tasks: scores with intervals, learning curves, confusion, scores by length and by groups.
#pragma once

#include <string>
#include <vector>

#include "saobp/report/curves.h"
#include "saobp/report/figure.h"
#include "saobp/report/run.h"
#include "saobp/report/table.h"

namespace saobp::report {

// Empty where no run has been scored on a task.
std::string tasks_section(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups, Figures& figures,
                          Tables& tables);

}  // namespace saobp::report
