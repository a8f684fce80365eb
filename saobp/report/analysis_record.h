// One analysis of a model's attention as analysis/NAME.json holds it: what tables on a terminal and reports are made
// from.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::report {

using Layers = std::vector<std::vector<double>>;  // [layer][head]

// Over heads, and over layers of their means, those that are no number left out, NaN where that leaves none; in long
// double, in which no sum of doubles overflows.
double mean(const std::vector<double>& heads);
double mean(const Layers& layers);

// The standard deviation of a sample, of two values at least; NaN below.
double deviation(const std::vector<double>& values);

// Of A or of B, by the name of the measure. NaN: not defined for that head.
class MatrixMeasures {
 public:
  const Layers& of(const std::string& measure) const;  // empty: it was not taken
  void set(const std::string& measure, Layers layers);
  bool operator==(const MatrixMeasures& other) const;
  const std::map<std::string, Layers>& all() const { return layers_; }

 private:
  std::map<std::string, Layers> layers_;  // none of them is empty
};

struct Measure {
  std::string name;        // in the JSON
  std::string heading;     // of a column
  std::string unit;        // "" for a pure number
  std::string definition;  // a sentence without its dot
};

struct AnalysisRecord {
  std::string source;     // where it was read, for errors
  std::string name;       // the file's name without .json
  std::string model;      // "" where an older version wrote it
  std::string text;       // what was analysed
  std::string text_key;   // of its contents; empty where the analysis does not say
  std::string attention;  // how it was refined, for people; empty where the analysis does not say
  int64_t sequences = 0, tokens = 0, cut_sequences = 0, long_sequences = 0;
  io::Json settings;
  double gtd_discount = 0.9;
  int64_t gtd_hops = 4;
  double idempotent_gtd = 0;           // b² / (1 + b²), b = Σ_{t=2..K} β^{t−1}
  double even_share = NAN;             // of the first key where each query looks at all it sees alike; NaN: not known
  std::vector<Measure> measures;       // of attention, in the order of a table's columns, that are defined somewhere
  std::vector<std::string> undefined;  // names of those that were taken, and are defined nowhere
  io::Json json;                       // as it was read
  MatrixMeasures raw, refined;
  size_t layers = 0, heads = 0;

  bool is_unrefined() const;  // nothing is refined: B is A
};

// matrices.A or B of an analysis, or of a line of metrics.jsonl that looked at the attention (`key`: "attention").
MatrixMeasures read_matrix(const io::Json& json, const char* key, const char* which, const std::string& source);

// Error naming `source` when something is missing, of another type, not finite, or of sizes that disagree.
AnalysisRecord read_analysis(const io::Json& json, const std::string& source);

}  // namespace saobp::report
