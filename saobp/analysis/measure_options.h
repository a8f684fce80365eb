// The free choices in the definitions of measures.
#pragma once

#include <cstdint>

#include "saobp/io/fields.h"

namespace saobp::analysis {

struct MeasureOptions {
  double gtd_discount = 0.9;         // β of Eq. 12, in (0, 1]
  int64_t gtd_hops = 4;              // K of Eq. 12, 2 … 64: the longest chain counted
  double sparsity_threshold = 0.01;  // in [0, 1]; an entry strictly below it counts as not attended
  double sink_threshold = 0.3;       // ε of Gu et al. (2024): a key with a larger share of all attention is a sink
  double graph_threshold = 1e-4;     // τ: an edge is there where (A + Aᵀ)/2 is above it
  int64_t graph_tokens = 40;         // nodes of the graph, the first tokens

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("gtd_discount", self.gtd_discount, "discount β a hop in GTD and indirect entropy", io::above(0, 1));
    visit("gtd_hops", self.gtd_hops, "longest chain of hops K in GTD and indirect entropy", io::between(2, 64));
    visit("sparsity_threshold", self.sparsity_threshold, "entries below it count as sparse", io::between(0, 1));
    visit("sink_threshold", self.sink_threshold, "a key with a larger share of a head's attention is a sink",
          io::between(0, 1));
    visit("graph_threshold", self.graph_threshold, "weight above which two tokens are joined in the graph",
          io::between(0, 1));
    visit("graph_tokens", self.graph_tokens, "tokens of a sequence that its graph has, the first ones",
          io::between(3, 100000));
  }

  // Throws UsageError that names the field, its value and its range.
  void check() const { io::check_limits(*this); }
};

// Σ_{t=2..K} β^{t−1}: what the rows of G sum to when those of A sum to one. 2.439 by default.
double indirect_weight(const MeasureOptions& options);

// b² / (1 + b²) with b = indirect_weight: GTD of every matrix that is its own square, which are the collapse on one
// key, the identity and uniform attention alike. 0.856 by default: the line that GTD is read against.
double idempotent_gtd(const MeasureOptions& options);

}  // namespace saobp::analysis
