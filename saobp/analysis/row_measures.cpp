// Measures that are means over the rows of A: what each query looks at.
#include <ATen/ATen.h>

#include "saobp/analysis/measure.h"

namespace saobp::analysis {
namespace {

at::Tensor normalized_entropy(SeenAttention& seen) {
  const auto most = seen.sequence().visible_keys().to(seen.matrices().scalar_type()).log();
  return (seen.row_entropy() / most).masked_fill(most.eq(0), NAN);  // of one key there is nothing to tell
}

at::Tensor indirect_entropy(SeenAttention& seen) {
  return entropy_of_rows(seen.indirect() / seen.indirect().sum(-1, /*keepdim=*/true));
}

at::Tensor sparsity(SeenAttention& seen) {
  return seen.matrices().lt(seen.options().sparsity_threshold).sum(-1).to(at::kDouble) / seen.length();
}

at::Tensor mean_distance(SeenAttention& seen) {
  return (seen.matrices() * seen.sequence().distances().to(seen.matrices().scalar_type())).sum(-1);
}

// ‖G‖²_F / (‖A‖²_F + ‖G‖²_F).
at::Tensor gtd(SeenAttention& seen) {
  const auto squares = [](const at::Tensor& m) { return m.square().sum({-2, -1}).to(at::kDouble); };
  const auto indirect = squares(seen.indirect());
  return indirect / (squares(seen.matrices()) + indirect);
}

at::Tensor idempotence_defect(SeenAttention& seen) { return (seen.square() - seen.matrices()).abs().sum(-1) * 0.5; }

}  // namespace

std::vector<Measure> row_measures() {
  return {
      {.name = "attention_entropy",
       .heading = "entropy",
       .unit = "nats",
       .definition = "mean row entropy of the matrix",
       .rows = [](SeenAttention& seen) { return seen.row_entropy(); }},
      {.name = "normalized_entropy",
       .heading = "H/log n",
       .definition = "row entropy divided by the logarithm of the number of keys that the row sees",
       .rows = normalized_entropy},
      {.name = "gtd",
       .heading = "GTD",
       .definition = "global token dependency: the share of two to K hops in all dependency, both by squared norm",
       .heads = gtd},
      {.name = "indirect_entropy",
       .heading = "indirect",
       .unit = "nats",
       .definition = "mean row entropy of the matrix of indirect attention G",
       .rows = indirect_entropy},
      {.name = "idempotence_defect",
       .heading = "defect",
       .definition = "total variation between a row of A and that of A²; 0 where GTD cannot tell heads apart",
       .rows = idempotence_defect},
      {.name = "sparsity",
       .heading = "sparsity",
       .definition = "share of the entries below a threshold",
       .rows = sparsity},
      {.name = "mean_distance",
       .heading = "distance",
       .unit = "tokens",
       .definition = "how far away the keys are that a query looks at",
       .rows = mean_distance},
  };
}

}  // namespace saobp::analysis
