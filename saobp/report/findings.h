// What an analysis says, in plain sentences.
#pragma once

#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/report/analysis_record.h"

namespace saobp::report {

// Three to six sentences on the matrix that the layers use: whether heads have collapsed onto a key, which, how sure
// that is, what kind of sink it is, what GTD says beside it, whether hidden states have collapsed, and what refinement
// changed. Only of measures that the analysis has.
std::vector<std::string> findings(const AnalysisRecord& analysis, const io::Json& json);

// The same behind a heading ("" where there is nothing to say), a paragraph each, at most 110 characters a line. Error
// naming `source` as read_analysis has them.
std::string findings_text(const io::Json& json, const std::string& source, const std::string& of = "");

}  // namespace saobp::report
