// One analysis of a model's attention as analysis/NAME.json holds it: what tables on a terminal and reports are made
// from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::report {

using Layers = std::vector<std::vector<double>>;  // [layer][head]

// Over heads, and over layers of their means; in long double, in which no sum of doubles overflows.
double mean(const std::vector<double>& heads);
double mean(const Layers& layers);

// Of A or of B; an empty one was not measured.
struct MatrixMeasures {
  Layers attention_entropy, gtd, indirect_entropy, sparsity;
};

struct AnalysisRecord {
  std::string source;     // where it was read, for errors
  std::string name;       // the file's name without .json
  std::string model;      // "" where an older version wrote it
  std::string text;       // what was analysed
  std::string attention;  // how it was refined, for people; empty where the analysis does not say
  int64_t sequences = 0, tokens = 0, cut_sequences = 0;
  io::Json settings;
  double gtd_discount = 0.9;
  int64_t gtd_hops = 4;
  double idempotent_gtd = 0;  // b² / (1 + b²), b = Σ_{t=2..K} β^{t−1}
  MatrixMeasures raw, refined;

  const Layers& measured() const;  // the first measure that there is, of A
  bool is_unrefined() const;       // nothing is refined: B is A
};

struct Measure {
  const char* name;     // in the JSON
  const char* heading;  // of a column
  Layers MatrixMeasures::* layers;
};
// In the order of a table's columns.
const std::vector<Measure>& measures();

// matrices.A or B of an analysis, or of a line of metrics.jsonl that looked at the attention (`key`: "attention").
MatrixMeasures read_matrix(const io::Json& json, const char* key, const char* which, const std::string& source);

// Error naming `source` when something is missing, of another type, not finite, or of sizes that disagree.
AnalysisRecord read_analysis(const io::Json& json, const std::string& source);

}  // namespace saobp::report
