// Averages the metrics of attention matrices over sequences and writes the record analysis/NAME.json of a run folder.
#pragma once

#include <string>
#include <vector>

#include "saobp/analysis/metrics.h"
#include "saobp/io/json.h"

namespace saobp::analysis {

// Each sequence counts the same, whatever its length. Sequences may come in any order, layers too; every sequence must
// have given every layer once by the time of to_json().
class MetricAccumulator {
 public:
  // `options` are validated here.
  MetricAccumulator(int64_t num_layers, int64_t num_heads, const MetricOptions& options);

  // One layer of one sequence: A (before refinement) and B (after), both [num_heads, L, L] of its real tokens. Where
  // the model refines nothing, pass the same tensor twice; it is measured once.
  void add(int64_t layer, const at::Tensor& attention, const at::Tensor& refined);
  // Once a sequence, with its number of real tokens.
  void count_sequence(int64_t tokens);

  int64_t sequences() const { return sequences_; }
  int64_t tokens() const { return tokens_; }

  // {"model", "text", "sequences", "tokens", "settings": {MetricOptions}, "idempotent_gtd", "units": {METRIC: unit},
  //  "matrices": {"A": {METRIC: [[value per head] per layer]}, "B": {…}}}
  // Throws Error when nothing was added or a layer lacks sequences.
  io::Json to_json(const std::string& model, const std::string& text) const;

 private:
  // [layer][metric][head], sums over sequences.
  using Sums = std::vector<std::vector<std::vector<double>>>;
  void add_to(Sums& sums, int64_t layer, const MetricValues& values) const;
  io::Json means(const Sums& sums) const;

  int64_t num_layers_, num_heads_;
  MetricOptions options_;
  Sums raw_, refined_;
  std::vector<int64_t> added_;  // sequences a layer
  int64_t sequences_ = 0, tokens_ = 0;
};

}  // namespace saobp::analysis
