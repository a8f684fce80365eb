// What rounding may do to attention, measured so that no machine can fail by chance (CONTRIBUTING.md, "Tolerances").
//
// The exact result is the reference's in double. The plain path (plain_path.h) is in the tested type; since one run of
// it may be close by luck, its error is the largest over several orders of the same sums: keys, rows and channels are
// reordered, with masked positions strewn in, and the results put back. A floor from the magnitudes that are summed
// stands in where all orders are exact.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "cases.h"

namespace saobp::attention::testing {

struct Results {
  at::Tensor output, query, key, value;  // and the gradients of these
  at::Tensor strengths;                  // gradient, where options.strengths is given; else undefined
};

using Attention = std::function<at::Tensor(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                                           const AttentionOptions& options)>;

// Output and every gradient; inputs are converted to `type`, their strides are kept.
Results run_with(const Attention& attention, const Inputs& in, AttentionOptions options, const at::Tensor& upstream,
                 at::ScalarType type);

// The same problem in another order. seed 0: in its own. Positions that are strewn in are masked; in the causal form
// the others keep their order. Differentiable, and only the order of sums changes: no value is rounded on the way.
struct Reordered {
  Reordered(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, const AttentionOptions& options,
            uint64_t seed);

  // Rows [..., L', ·] of the reordered problem along `dim`, back in the order of the queries.
  at::Tensor rows_back(const at::Tensor& tensor, int64_t dim) const { return tensor.index_select(dim, row_places); }

  Inputs in;
  AttentionOptions options;
  at::Tensor factors;  // of dropout, which falls on the same weights; undefined where there is none
  at::Tensor row_places;
};

inline constexpr uint64_t kOrders = 4;  // that are tried: seeds 0 to 3

// The plain path's output for the problem in that order.
at::Tensor plain_in_order(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const AttentionOptions& options, uint64_t seed);

class Yardstick {
 public:
  // The inputs' type is the tested one.
  Yardstick(const Inputs& in, const AttentionOptions& options, const at::Tensor& upstream);

  struct Part {
    std::string name;
    double error, plain, floor, times;
    double allowed() const { return std::max(times * plain, floor); }
  };
  // One part for each tensor of the results that is defined and has elements.
  std::vector<Part> compare(const Results& actual) const;

  // Fails the test where an error is larger than allowed, or a value not finite.
  void expect_close(const Results& actual) const;

  const Results& exact() const { return exact_; }

 private:
  Results exact_;
  std::vector<Part> allowed_;  // with error 0
};

}  // namespace saobp::attention::testing
