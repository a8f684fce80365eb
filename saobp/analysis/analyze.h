// Runs a model over sequences and measures what its attention did.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "saobp/analysis/measured.h"
#include "saobp/io/fields.h"
#include "saobp/io/json.h"
#include "saobp/model/model.h"

namespace saobp::analysis {

struct AnalysisOptions {
  MeasureOptions measure;
  std::string measures;  // find_measures()
  bool buckets = false;
  int64_t spectrum_sequences = 64;
  int64_t dense_length = 2048;
  int64_t probes = 64;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    MeasureOptions::fields(self.measure, visit);
    visit(
        "measures", self.measures,
        "names with commas between, or all; by default those that take no longer than GTD (see saobp analyze --list)");
    visit("buckets", self.buckets, "also tell measures by the place of the query and by the sequence's length");
    visit(
        "spectrum_sequences", self.spectrum_sequences,
        "sequences whose eigenvalues and singular values are taken, spread evenly over all, as these take up to thirty "
        "times as long as the rest; 0: all",
        io::at_least(0));
    visit("dense_length", self.dense_length,
          "longest sequence whose matrices are made; of longer ones entropies and shares of tokens are measured from "
          "the operator and GTD from random vectors, in memory that grows with the length alone",
          io::at_least(1));
    visit("probes", self.probes, "random vectors for GTD of long sequences", io::between(2, 16384));
  }

  // Throws UsageError for a value outside its limits, a measure that there is not, and a setting that none of the
  // measures uses, nor one of those that are taken `besides`.
  void check(const std::vector<std::string>& besides = {}) const;
};

// A sequence to look at, and what it is one of: its scores are also told for each of these, as ("label", "yes").
struct AnalysisItem {
  Tokens tokens;
  std::vector<std::pair<std::string, std::string>> groups;
};

// The record analysis/NAME.json of a run folder: what MeasureMeans gives, and {"model", "text", "settings":
// {AnalysisOptions}, "idempotent_gtd", "measures": {MEASURE: {"heading", "unit", "definition"}}, "weights": {MEASURE:
// [[value per head] per layer]}, "long_sequences": how many were (long_attention.h), "by_position", "by_length",
// "by_label" …: {NAME: of those alone}}. Sequences are measured in parallel; figures do not depend on how many threads
// there are. `done` is told after each block of them, `each` of every sequence in their order.
io::Json analyze(const model::Model& model, const std::vector<AnalysisItem>& items, const AnalysisOptions& options,
                 const std::string& model_name, const std::string& text_name,
                 const std::function<void(size_t done)>& done = {},
                 const std::function<void(size_t item, const Measured& measured)>& each = {});

}  // namespace saobp::analysis
