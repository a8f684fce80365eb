// The measures that `saobp analyze` knows: one list, in which each stands with its definition. Adding one is adding a
// line to it, its paragraph in docs/method.md and its test.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "saobp/analysis/query_key.h"
#include "saobp/analysis/seen_attention.h"

namespace saobp::analysis {

// What takes as long as what: a few products of L×L matrices, as GTD does; their eigenvalues or singular values, up to
// thirty times as long; paths in a graph.
enum class Cost { products, spectra, graph };

inline const std::vector<std::string>& enum_names(Cost) {
  static const std::vector<std::string> names = {"products", "spectra", "graph"};
  return names;
}

// One of the four functions is there.
struct Measure {
  std::string name = "";        // in files and on the command line
  std::string heading = "";     // of a column
  std::string unit = "";        // "nats", "tokens" or "" for a pure number
  std::string definition = "";  // a sentence without its dot
  Cost cost = Cost::products;
  // Of one head's attention over one sequence. NaN: it is not defined there, and left out of the mean.
  at::Tensor (*rows)(SeenAttention&) = nullptr;      // of each query, [H, L]; the value is the mean over them
  at::Tensor (*heads)(SeenAttention&) = nullptr;     // [H]; [1] for what a whole layer has
  at::Tensor (*states)(SeenStates&) = nullptr;       // of hidden states, a scalar
  at::Tensor (*weights)(const QueryKey&) = nullptr;  // of a layer's weights, [H]

  bool of_attention() const { return rows != nullptr || heads != nullptr; }
};

// In the order of tables and files.
const std::vector<Measure>& all_measures();

// "" for those of which none costs more than GTD, "all", or names with commas between. UsageError, naming `flag`, for
// one that there is not.
std::vector<const Measure*> find_measures(const std::string& names, const std::string& flag = "--measures");
// The one of that name.
const Measure& measure_of(const std::string& name);

// Its value for each head, [H] in double: of a measure of rows the mean over those where it is defined.
at::Tensor value_of(const Measure& measure, SeenAttention& seen);

// The parts of all_measures().
std::vector<Measure> row_measures();
std::vector<Measure> column_measures();
std::vector<Measure> pattern_measures();
std::vector<Measure> chain_measures();
std::vector<Measure> rank_measures();
std::vector<Measure> graph_measures();
std::vector<Measure> query_key_measures();

}  // namespace saobp::analysis
