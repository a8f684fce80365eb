// Attention maps as drawings for a paper: all heads of a sentence, before and after refinement (Figures 1 and 6).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "saobp/report/run.h"

namespace saobp::report {

// For the first sequence of each run's maps a name, "maps-RUN-TEXT-B", and an SVG file of its own for B, and for its G,
// "…-G"; where attention is refined also for A and B − A, "…-A" and "…-difference". A row of pictures a layer, one a
// head, each on the scale of its largest entry. Error naming what is damaged.
std::vector<std::pair<std::string, std::string>> map_figures(const std::vector<RunInput>& runs);

}  // namespace saobp::report
