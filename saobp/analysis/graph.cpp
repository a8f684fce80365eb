#include "saobp/analysis/graph.h"

#include <ATen/ATen.h>
#ifdef SAOBP_IGRAPH
#include <igraph.h>
#endif

#include <algorithm>
#include <cmath>
#include <mutex>
#include <vector>

#include "saobp/analysis/measure.h"
#include "saobp/io/error.h"

namespace saobp::analysis {

#ifdef SAOBP_IGRAPH

namespace {

void require(igraph_error_t code) {
  if (code != IGRAPH_SUCCESS) fail("graph of attention: igraph says: ", igraph_strerror(code));
}

struct Vector {
  explicit Vector(size_t size = 0) { require(igraph_vector_init(&data, static_cast<igraph_integer_t>(size))); }
  ~Vector() { igraph_vector_destroy(&data); }
  Vector(const Vector&) = delete;
  Vector& operator=(const Vector&) = delete;
  igraph_vector_t data;
};

struct Graph {
  Graph(const std::vector<igraph_integer_t>& ends, int64_t nodes) {
    igraph_vector_int_t view;
    igraph_vector_int_view(&view, ends.data(), static_cast<igraph_integer_t>(ends.size()));
    require(igraph_create(&data, &view, nodes, IGRAPH_UNDIRECTED));
  }
  ~Graph() { igraph_destroy(&data); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  igraph_t data;
};

// The mean of the numbers that there are.
double mean_of(const Vector& values) {
  double sum = 0, count = 0;
  for (igraph_integer_t i = 0; i < igraph_vector_size(&values.data); ++i) {
    const double value = VECTOR(values.data)[i];
    if (!std::isnan(value)) sum += value, ++count;
  }
  return count == 0 ? NAN : sum / count;
}

}  // namespace

GraphIndices graph_indices(const at::Tensor& matrix, int64_t tokens, double threshold) {
  const int64_t nodes = std::min(tokens, matrix.size(0));
  const auto part = matrix.narrow(0, 0, nodes).narrow(1, 0, nodes).to(at::kDouble);
  const auto weights_of = ((part + part.t()) * 0.5).contiguous();
  const double* values = weights_of.const_data_ptr<double>();
  std::vector<igraph_integer_t> ends;
  std::vector<double> found;
  for (int64_t i = 0; i < nodes; ++i)
    for (int64_t j = i + 1; j < nodes; ++j)
      if (const double weight = values[i * nodes + j]; weight > threshold) {
        ends.insert(ends.end(), {i, j});
        found.push_back(weight);
      }
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  igraph_set_error_handler(igraph_error_handler_ignore);  // require() tells
  const Graph graph(ends, nodes);
  Vector weights(found.size()), clustering, betweenness;
  std::copy(found.begin(), found.end(), igraph_vector_get_ptr(&weights.data, 0));
  require(igraph_transitivity_barrat(&graph.data, &clustering.data, igraph_vss_all(), &weights.data,
                                     IGRAPH_TRANSITIVITY_NAN));
  require(igraph_betweenness(&graph.data, &betweenness.data, igraph_vss_all(), IGRAPH_UNDIRECTED, nullptr));
  return {mean_of(clustering), mean_of(betweenness)};
}

namespace {

at::Tensor of_heads(SeenAttention& seen, double GraphIndices::* index) {
  auto values = at::empty({seen.heads()}, at::kDouble);
  const auto& all = seen.graphs();
  for (int64_t head = 0; head < seen.heads(); ++head) values[head] = all[static_cast<size_t>(head)].*index;
  return values;
}

}  // namespace

std::vector<Measure> graph_measures() {
  return {
      {.name = "clustering",
       .heading = "clust.",
       .definition = "Barrat's clustering coefficient of the graph of the first tokens, the mean over its nodes",
       .cost = Cost::graph,
       .heads = [](SeenAttention& seen) { return of_heads(seen, &GraphIndices::clustering); }},
      {.name = "betweenness",
       .heading = "betw.",
       .definition = "Freeman's betweenness in this graph, on hop counts, the mean over its nodes",
       .cost = Cost::graph,
       .heads = [](SeenAttention& seen) { return of_heads(seen, &GraphIndices::betweenness); }},
  };
}

#else

GraphIndices graph_indices(const at::Tensor&, int64_t, double) { fail("this program was built without igraph"); }

std::vector<Measure> graph_measures() { return {}; }

#endif

}  // namespace saobp::analysis
