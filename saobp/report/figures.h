// The charts of the page, from runs to SVG.
#pragma once

#include <string>
#include <vector>

#include "saobp/report/run.h"

namespace saobp::report {

// Training loss (smoothed, with the logged values behind it) and validation loss of all runs; a sentence in its place
// when no run logged any.
std::string loss_figure(const std::vector<RunInput>& runs);

// Entropy and GTD over the steps, of the runs that were monitored; empty when none was.
std::string monitor_figure(const std::vector<RunInput>& runs);

// The runs' analyses of one name. Runs without it have a null pointer.
struct AnalysisGroup {
  std::string name;
  std::vector<const AnalysisRecord*> of_run;
  std::vector<std::string> same_as;  // other names under which runs have the same measurements
};
// In alphabetical order of their names. Measurements that are there twice, under two names, are one group.
std::vector<AnalysisGroup> analysis_groups(const std::vector<RunInput>& runs);

// Entropy and GTD of each layer, before and after refinement.
std::string layer_figures(const std::vector<RunInput>& runs, const AnalysisGroup& group, size_t group_index);

// Exponential mean with a memory of about `window` values, corrected for its start.
std::vector<double> smoothed(const std::vector<LossPoint>& points, int64_t window);

}  // namespace saobp::report
