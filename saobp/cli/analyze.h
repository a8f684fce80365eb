// The work of `saobp analyze`, which the demo does too.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/cli/console.h"
#include "saobp/io/json.h"
#include "saobp/recipes/analyze.h"

namespace saobp::cli {

// The records of models on one source (recipes/analyze.h), all with the same settings. UsageError, before anything is
// measured, for a length that does not suit all of them. `each` gets a line for each sequence of the first model.
std::vector<io::Json> analyze_folders(const std::vector<std::filesystem::path>& folders,
                                      const recipes::AnalysisSource& source, const recipes::AnalyzeOptions& options,
                                      Console& console, const std::function<void(const io::Json& line)>& each = {});

// {"measures": {NAME: {"unit", "definition", "cost"}}}; `out` gets the same for people.
io::Json list_of_measures(std::string& out);

}  // namespace saobp::cli
