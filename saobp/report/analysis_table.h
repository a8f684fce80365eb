// Analyses (analysis_record.h) as aligned text for a terminal.
#pragma once

#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/report/analysis_record.h"

namespace saobp::report {

// What tables show of an analysis: all measures that were asked for, or, where nobody named any, those that tell most.
std::vector<Measure> shown_measures(const AnalysisRecord& record);

enum class TableDetail { layers, heads };  // heads: one more line for each head below its layer

// Layers × metrics, for the raw matrix A and the refined matrix B side by side, each value the mean over heads; a last
// line has the mean over layers. Units, settings and the value of GTD at an idempotent matrix stand below.
// Throws Error naming `source` when the JSON lacks something or its sizes disagree.
std::string metrics_table(const io::Json& analysis, TableDetail detail, const std::string& source = "analysis");

// Two models side by side: for A and for B, each metric of the first, of the second, and their difference
// (second − first). Layers that only one of them has show a dash for the other. The settings of both must agree.
std::string comparison_table(const io::Json& first, const io::Json& second, TableDetail detail,
                             const std::string& first_source = "first analysis",
                             const std::string& second_source = "second analysis");

}  // namespace saobp::report
