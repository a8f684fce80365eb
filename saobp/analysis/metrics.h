// Diagnostics of attention matrices: what a head looks at directly (entropy, sparsity) and through chains of
// intermediate tokens (global token dependency, GTD). Definitions: docs/method.md; equations are those of [SAOBP].
//
// Every function takes the matrices of ONE sequence, cut to its real tokens (special tokens included, padding not):
// [num_heads, L, L], row = query, column = key, rows sum to one. float32 and float64 are accepted, everything is
// computed in float64. The same functions serve the raw matrix A = softmax(Q K^T / √d) and the refined matrix B;
// whoever shows a figure says which one it belongs to.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "saobp/io/fields.h"

namespace saobp::analysis {

struct MetricOptions {
  double gtd_discount = 0.9;         // β of Eq. 12, in (0, 1]
  int64_t gtd_hops = 4;              // K of Eq. 12, 2 … 64: the longest chain counted
  double sparsity_threshold = 0.01;  // in [0, 1]; an entry strictly below it counts as not attended

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("gtd_discount", self.gtd_discount, "discount β a hop in GTD and indirect entropy", io::above(0, 1));
    visit("gtd_hops", self.gtd_hops, "longest chain of hops K in GTD and indirect entropy", io::between(2, 64));
    visit("sparsity_threshold", self.sparsity_threshold, "entries below it count as sparse", io::between(0, 1));
  }

  // Throws UsageError that names the field, its value and its range.
  void check() const;
};

// Σ_{t=2..K} β^{t−1}: what the rows of G sum to when those of A sum to one. 2.439 by default.
double indirect_weight(const MetricOptions& options);

// b² / (1 + b²) with b = indirect_weight: GTD of every matrix that is its own square, which are the collapse on one
// key, the identity and uniform attention alike. 0.856 by default: the line that GTD is read against.
double idempotent_gtd(const MetricOptions& options);

// Throws Error unless `matrices` is [num_heads, L, L] (num_heads, L ≥ 1), float32 or float64, entries ≥ 0, rows summing
// to one within 1e-3; names the first head and row that break the rule. `what` is what messages call it ("layer 3, A").
void check_attention_matrices(const at::Tensor& matrices, const std::string& what);

// Eq. 12: G = Σ_{t=2..K} β^{t−1} A^t, [num_heads, L, L] in float64.
at::Tensor indirect_attention(const at::Tensor& matrices, const MetricOptions& options);

// Each returns one value a head. The matrices are taken as they are; attention_metrics() checks them.
std::vector<double> attention_entropy(const at::Tensor& matrices);                               // Eq. 2, nats
std::vector<double> gtd(const at::Tensor& matrices, const MetricOptions& options);               // Eq. 13, in [0, 1)
std::vector<double> indirect_entropy(const at::Tensor& matrices, const MetricOptions& options);  // Eq. 14, nats
std::vector<double> sparsity(const at::Tensor& matrices, const MetricOptions& options);          // share in [0, 1]

// The metrics that every analysis reports, in the order of its tables and under the names of its JSON:
// attention_entropy, gtd, indirect_entropy, sparsity.
const std::vector<std::string>& metric_names();
// "nats" or "" for a pure number.
std::string metric_unit(const std::string& name);

// All of them, sharing G. `what` is for error messages.
using MetricValues = std::vector<std::pair<std::string, std::vector<double>>>;  // name, [num_heads]
MetricValues attention_metrics(const at::Tensor& matrices, const MetricOptions& options, const std::string& what);

}  // namespace saobp::analysis
