// What `saobp analyze` does with an opened model.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "saobp/analysis/analyze.h"
#include "saobp/recipes/analysis_source.h"

namespace saobp::recipes {

struct AnalyzeOptions {
  int64_t length = 0;  // 0: the source's usual one, or the shortest position table of the models where that is shorter
  int64_t limit = 0;
  std::string tokenizer;
  analysis::AnalysisOptions analysis;
};

struct AnalyzedModel {
  std::string name;  // its folder
  const pretrained::Pretrained& opened;
};

// RUN/eval/TASK-SPLIT.predictions.jsonl of a run, where it is there and the source is that task's; else nothing.
std::filesystem::path predictions_of(const std::filesystem::path& run, const AnalysisSource& source);

// The tokens at which sequences are cut for all of these models. UsageError where options.length does not suit one.
int64_t common_length(const std::vector<AnalyzedModel>& models, const AnalysisSource& source,
                      const AnalyzeOptions& options);

// The record analysis/NAME.json of a run folder (analysis/analyze.h), and in it "text_key", "cut_sequences",
// "refined_attention" and "strengths". `each` is given a line for each sequence: {"id", "tokens", GROUP: …,
// "A": {MEASURE: [mean over heads per layer]}, "B"}.
io::Json analyze_model(const AnalyzedModel& model, const AnalysisSource& source, const AnalyzeOptions& options,
                       int64_t length, const std::function<void(size_t done, size_t all)>& done = {},
                       const std::function<void(const io::Json& line)>& each = {});

}  // namespace saobp::recipes
