// The parts of a page that a reader works with: heads as points, what-if curves, attention maps.
#pragma once

#include <string>
#include <vector>

#include "saobp/report/run.h"

namespace saobp::report {

struct Interactive {
  std::string sections;              // <section>s, empty where there is nothing to show
  std::string scripts;               // the data, plotly.js and what draws, to stand at the end of the page
  std::vector<std::string> remarks;  // what was left out, a sentence each
};

// Sequences' maps are taken in their order, one of each run in turn, until `room` bytes are used.
Interactive interactive_parts(const std::vector<RunInput>& runs, size_t room);

}  // namespace saobp::report
