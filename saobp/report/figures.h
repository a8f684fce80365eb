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

// The runs' analyses of one name, of the same text with the same settings. Runs without it have a null pointer.
struct AnalysisGroup {
  std::string name;
  std::vector<const AnalysisRecord*> of_run;
  std::vector<std::string> same_as;  // other names under which runs have the same measurements
  std::vector<std::string> apart;    // "gtd_hops: 3, not 4": in what it differs from the first group of its name
};
// In alphabetical order of their names. Measurements that are there twice, under two names, are one group. Those under
// one name that are of other texts, or were made with other settings, are groups of their own: "name (2)" and so on.
std::vector<AnalysisGroup> analysis_groups(const std::vector<RunInput>& runs);

// GTD, entropy and indirect entropy of each layer, before and after refinement, and the entropy of each head of the
// last layer (Figures 4, 7 and 8 of the paper), as far as they were measured.
std::vector<Chart> layer_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                                const AnalysisGroup& analyses);

// One point a head: GTD against clustering, betweenness (Figures 2 and 5) or, where no graph was measured, entropy;
// with histograms, and Pearson's r over the heads of each run with its p and interval.
std::vector<Chart> head_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                               const AnalysisGroup& analyses);

// A run's attention at a step that it was validated at: of an analysis of the checkpoint, or as it was monitored.
struct StepLook {
  std::string name;                // of the analysis; of those made otherwise "name (2)" and so on
  std::vector<std::string> apart;  // in what such ones differ from the first of their name
  int64_t step = 0;
  const MatrixMeasures* refined;  // of the run
  std::string score;              // "perplexity", or the task's first score
  double value = 0;               // of it, as it is shown: shares of one in points
};
// Of each run.
std::vector<std::vector<StepLook>> looks_with_scores(const std::vector<RunInput>& runs);

// A run that was scored on the rows of a task that it was analysed on: analysis TASK-SPLIT.
struct ScoredRun {
  std::string name;  // of the analysis, told apart as above
  std::vector<std::string> apart;
  size_t run = 0;
  const TaskRecord* task;
  const AnalysisRecord* analysis;
  std::string score;  // the task's first
  double value = 0;
};
std::vector<ScoredRun> scored_runs(const std::vector<RunInput>& runs);

// GTD and entropy of a run through training against its perplexity or its task's first score, and of several runs that
// were scored on a task and analysed on it against that score (Figures 3 and 9), from three points on; Pearson's r with
// its p and interval.
std::vector<Chart> score_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups);

// What refinement at inference would change, against λ.
std::vector<Chart> what_if_charts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups);

// Exponential mean with a memory of about `window` values, corrected for its start.
std::vector<double> smoothed(const std::vector<LossPoint>& points, int64_t window);

}  // namespace saobp::report
