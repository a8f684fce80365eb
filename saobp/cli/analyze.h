// The work of `saobp analyze`, which the demo does too.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/analysis/analyze.h"
#include "saobp/cli/console.h"
#include "saobp/data/text_input.h"
#include "saobp/io/json.h"

namespace saobp::cli {

struct AnalyzeOptions {
  int64_t length = 0;  // 0: 128, or the shortest position table of the models where that is shorter
  int64_t limit = 0;
  std::string tokenizer;  // empty: in the model's folder
  analysis::AnalysisOptions analysis;
};

struct AnalysisText {
  std::string name;
  std::vector<std::string> sequences;
};
AnalysisText read_analysis_text(const data::TextInput& text, const AnalyzeOptions& options);

// The records of models on one text (analysis/analyze.h), all with the same settings. UsageError, before anything
// is measured, for a length that does not suit all of them.
std::vector<io::Json> analyze_folders(const std::vector<std::filesystem::path>& folders, const AnalysisText& text,
                                      const AnalyzeOptions& options, Console& console);

// run/analysis/NAME.json
std::filesystem::path analysis_path(const std::filesystem::path& run, const std::string& name);
void save_analysis(const io::Json& json, const std::filesystem::path& run, const std::string& name);

}  // namespace saobp::cli
