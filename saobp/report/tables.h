// The tables of the page, and what a run's record says about it.
#pragma once

#include <string>
#include <vector>

#include "saobp/report/figures.h"
#include "saobp/report/run.h"
#include "saobp/report/table.h"

namespace saobp::report {

// One card a run: attention, size, seed, when.
std::string run_cards(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups);

// Losses, perplexity, speed and whatever else run.json calls final; means of the analyses.
Table final_table(const std::vector<RunInput>& runs, const std::vector<AnalysisGroup>& groups);

// The figures behind the layer charts: metric × run and matrix × layer; of several seeds means, ± the
// standard deviation over them. No rows where nothing was measured.
Table layer_table(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                  const AnalysisGroup& analyses);

// Everything else that run.json holds: first where the runs differ, then what they share.
std::string settings_table(const std::vector<RunInput>& runs);

// The first value under one of these names: in the model block, then in the options, then anywhere; null if there is
// none.
const io::Json* find_setting(const RunInput& run, const std::vector<std::string>& names);

}  // namespace saobp::report
