// The work of `saobp analyze`, which the demo does too.
#pragma once

#include <filesystem>
#include <string>

#include "saobp/analysis/metrics.h"
#include "saobp/cli/console.h"
#include "saobp/io/json.h"

namespace saobp::cli {

struct AnalyzeOptions {
  int64_t length = 0;  // 0: 128, or the model's position table where that is shorter
  int64_t limit = 0;
  std::string tokenizer;  // empty: in the model's folder
  analysis::MetricOptions metrics;
};

// The record of one model on one text (analysis/accumulator.h), with the settings it was made with.
io::Json analyze_folder(const std::filesystem::path& folder, const std::filesystem::path& text,
                        const AnalyzeOptions& options, Console& console);

// Writes run/analysis/NAME.json and gives its path.
std::filesystem::path save_analysis(const io::Json& json, const std::filesystem::path& run, const std::string& name);

}  // namespace saobp::cli
