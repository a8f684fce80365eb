// The charts of the page, from runs.
#pragma once

#include <string>
#include <vector>

#include "saobp/report/chart.h"
#include "saobp/report/curves.h"
#include "saobp/report/run.h"

namespace saobp::report {

// Training loss (smoothed, with the logged values behind it) and validation loss of all runs; none when no run logged
// any.
std::vector<Chart> loss_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups);

// Entropy, GTD, sinks and learned strengths over the steps, of the runs that were monitored.
std::vector<Chart> monitor_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups);

// The runs' analyses of one name. Runs without it have a null pointer.
struct AnalysisGroup {
  std::string name;
  std::vector<const AnalysisRecord*> of_run;
  std::vector<std::string> same_as;  // other names under which runs have the same measurements
};
// In alphabetical order of their names. Measurements that are there twice, under two names, are one group.
std::vector<AnalysisGroup> analysis_groups(const std::vector<RunInput>& runs);

// GTD, entropy and indirect entropy of each layer, before and after refinement, and the entropy of each head of the
// last layer (Figures 4, 7 and 8 of the paper), as far as they were measured.
std::vector<Chart> layer_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                                const AnalysisGroup& analyses);

// One point a head: GTD against clustering, betweenness (Figures 2 and 5) or, where no graph was measured, entropy;
// with histograms, and Pearson's r over the heads of each run with its p and interval.
std::vector<Chart> head_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                               const AnalysisGroup& analyses);

// A run's attention at a step that has a validation loss: of an analysis of the checkpoint, or as it was monitored.
struct StepLook {
  std::string name;  // of the analysis
  int64_t step = 0;
  const MatrixMeasures* refined;  // of the run
  double perplexity = 0;
};
std::vector<StepLook> looks_with_perplexity(const RunInput& run);

// GTD and entropy of a run through training against perplexity, and of several runs that were scored on a task
// and analysed on it against that score (Figures 3 and 9), from three points on; Pearson's r with its p and interval.
std::vector<Chart> score_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups);

// What refinement at inference would change, against λ.
std::vector<Chart> what_if_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups);

// Exponential mean with a memory of about `window` values, corrected for its start.
std::vector<double> smoothed(const std::vector<LossPoint>& points, int64_t window);

}  // namespace saobp::report
