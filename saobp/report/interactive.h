// The parts of a page that a reader works with: charts, heads as points, attention maps.
#pragma once

#include <string>
#include <vector>

#include "saobp/report/chart.h"
#include "saobp/report/curves.h"
#include "saobp/report/run.h"

namespace saobp::report {

constexpr size_t kLargestPage = 8'000'000;

struct Interactive {
  std::string sections;              // <section>s, empty where there is nothing to show
  std::string scripts;               // the data, plotly.js and what draws, to stand at the end of the page
  std::vector<std::string> remarks;  // what was left out, a sentence each
};

// Analyses, then sequences' maps, are taken in their order, one of each run in turn, until `room` bytes of kLargestPage
// are used.
Interactive interactive_parts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                              const std::vector<Chart>& charts, size_t room);

}  // namespace saobp::report
