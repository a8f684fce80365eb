// The figures of Lee et al. (Findings of EMNLP 2025), to stand beside those of runs. One seed, no intervals.
#pragma once

#include <string>
#include <vector>

namespace saobp::report {

struct PaperRow {
  const char* size;  // "Mini", "Small", "Medium": 4 × 256, 4 × 512, 8 × 512
  const char* variant;
  std::vector<double> values;
};

struct PaperTable {
  int number;
  const char* title;
  bool decoder;  // of GPT-2s; else of BERTs
  std::vector<const char*> columns;
  std::vector<PaperRow> rows;
};

// Tables 1, 2, 3, 7, 8 and 9.
const std::vector<PaperTable>& paper_tables();

// Table 6: what GTD correlates with, over the checkpoints of BERT-Mini.
struct PaperCorrelation {
  const char* with;
  const char* task;  // as it is called here; "": perplexity
  double single_layer, cross_layer;
};
const std::vector<PaperCorrelation>& paper_correlations();

}  // namespace saobp::report
