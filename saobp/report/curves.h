// Curves of several runs in one chart: those that differ in their seed alone are one curve, a mean with its spread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "saobp/report/chart.h"
#include "saobp/report/run.h"

namespace saobp::report {

// Runs that differ in nothing that their records tell but seed and output, and whose analyses of one name are of one
// text and one setting.
struct SeedGroup {
  std::string name;          // of its run, or what the names of its runs begin with
  std::vector<size_t> runs;  // their places, in the order given
  int colour = 0;            // its place among the groups
};
// In the order of their first runs. A run without a record stands alone.
std::vector<SeedGroup> seed_groups(const std::vector<RunInput>& runs);

// At most two values (lowest and highest) for each of 400 stretches, so that a long run stays a small page and keeps
// its spikes.
std::vector<Point> thinned(const std::vector<Point>& points);

// Adds the curve of every group, named "NAME, what" or "NAME, what, mean of 3 seeds". Of several runs: the mean at the
// places that all of them have, the band of the standard deviation over seeds, and each run pale behind it. `points`
// gives none where a run does not have them. Empty `what`: the name alone. Each curve is thinned.
void add_curves(Chart& chart, const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                const std::string& what, Series::Look look,
                const std::function<std::vector<Point>(const RunInput&, size_t run)>& points);

}  // namespace saobp::report
