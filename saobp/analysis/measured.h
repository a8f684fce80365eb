// The measures of one sequence, and their means over sequences.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "saobp/analysis/capture.h"
#include "saobp/analysis/measure.h"
#include "saobp/io/json.h"

namespace saobp::analysis {

// Numbers of layers (of states: of the places between them), each with those of its heads, or one of its own.
using Layers = std::vector<std::vector<double>>;

struct Measured {
  int64_t tokens = 0;
  bool refined = false;                         // else "after" is empty: B is A
  std::map<std::string, Layers> before, after;  // by measure: of A and of B. NaN: not defined
  std::map<std::string, std::vector<double>> states;
  // By matrix ("A", "B") and measure: standard errors of values that are estimates (long_attention.h).
  std::map<std::string, std::map<std::string, Layers>> estimate_errors;
};

struct MeasuredSequence {
  Measured whole;
  // The measures of rows alone, by the place of the row: "0", "1", "2-3", "4-7" …
  std::map<std::string, Measured> by_position;
};

struct MeasureRequest {
  std::vector<const Measure*> measures;
  bool by_position = false;
};

// What a sequence's attention was, by the measures of it and of hidden states.
MeasuredSequence measure(const model::Model& model, const Captured& captured, const Tokens& tokens,
                         const MeasureRequest& request, const MeasureOptions& options);

// The measures of hidden states among them.
void measure_states(const Captured& captured, const MeasureRequest& request, Measured& into);

// The measures of weights, by name.
std::map<std::string, Layers> measure_weights(const model::Model& model, const std::vector<const Measure*>& measures);

// Each sequence counts the same, whatever its length; values that are not defined are left out.
class MeasureMeans {
 public:
  void add(const Measured& sequence);

  int64_t sequences() const { return sequences_; }
  int64_t tokens() const { return tokens_; }

  // {"sequences", "tokens", "matrices": {"A": {MEASURE: [[value per head] per layer]}, "B"}, "standard_errors": {"A",
  // "B"}, "errors_of_means": {"A": {MEASURE: of the mean over layers of their means over heads}, "B"}, "states":
  // {MEASURE: [value per place]}, "states_standard_errors", "undefined": {"A": {MEASURE: values that were left out},
  // …}, "measured_sequences": {MEASURE: their number, where it is not that of all}, "estimate_errors":
  // {"A", "B"}, of means of estimates}. A standard error is that of the mean over sequences. A mean of nothing and an
  // error of less than two values are null.
  io::Json to_json() const;

 private:
  struct Sum {
    double mean = 0, squares = 0;  // Σ (value − mean)²
    int64_t count = 0, undefined = 0;
    void add(double value);
    io::Json error() const;  // of the mean; null of less than two values
  };
  using Sums = std::map<std::string, std::vector<std::vector<Sum>>>;
  static void add_to(Sums& sums, const std::string& name, const Layers& values);
  static void write(const Sums& sums, const char* which, io::Json& json);

  Sums before_, after_, states_;
  std::map<std::string, Sum> whole_before_, whole_after_;  // of each sequence's mean over heads and layers
  std::map<std::string, int64_t> measured_;
  std::map<std::string, std::map<std::string, Layers>> estimate_variances_;  // sums over sequences
  int64_t sequences_ = 0, tokens_ = 0;
};

}  // namespace saobp::analysis
