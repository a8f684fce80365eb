// Attention maps as drawings for a paper: all heads of a sentence, before and after refinement (Figures 1 and 6).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "saobp/report/run.h"

namespace saobp::report {

// For the first sequence of each run's maps and for each of its matrices a name, "maps-RUN-TEXT-B", and an SVG file of
// its own: a row of pictures a layer, one a head, each on the scale of its largest entry. Error naming what is damaged.
std::vector<std::pair<std::string, std::string>> map_figures(const std::vector<RunInput>& runs);

}  // namespace saobp::report
