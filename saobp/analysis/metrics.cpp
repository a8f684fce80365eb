#include "saobp/analysis/metrics.h"

#include <ATen/ATen.h>

#include <cmath>

#include "saobp/analysis/values.h"

namespace saobp::analysis {
namespace {

// Mean over rows of −Σ p log p, with 0·log 0 = 0. [num_heads]
at::Tensor mean_row_entropy(const at::Tensor& rows) { return at::special_entr(rows).sum(-1).mean(-1); }

at::Tensor squared_norm(const at::Tensor& matrices) { return matrices.square().sum({-2, -1}); }

// Eq. 13: ‖G‖²_F / (‖A‖²_F + ‖G‖²_F).
at::Tensor gtd_of(const at::Tensor& attention, const at::Tensor& indirect) {
  const at::Tensor indirect_norm = squared_norm(indirect);
  return indirect_norm / (squared_norm(attention) + indirect_norm);
}

at::Tensor indirect_entropy_of(const at::Tensor& indirect) {
  return mean_row_entropy(indirect / indirect.sum(-1, /*keepdim=*/true));
}

at::Tensor sparsity_of(const at::Tensor& attention, const MetricOptions& options) {
  return attention.lt(options.sparsity_threshold).to(at::kDouble).mean({-2, -1});
}

// G = A² · P(A) with P(A) = Σ_{j=0..K−2} β^{j+1} A^j. P is read in pairs c_j I + c_{j+1} A (j even) and folded by
// Horner's rule in A², so that K = 4 takes two matrix products and each further pair of hops one more.
at::Tensor indirect_of(const at::Tensor& attention, const MetricOptions& options) {
  const int64_t last = options.gtd_hops - 2;  // the highest power in P
  const auto coefficient = [&](int64_t j) { return std::pow(options.gtd_discount, static_cast<double>(j + 1)); };
  const auto add_pair = [&](at::Tensor& folded, int64_t j) {
    folded.add_(attention, coefficient(j + 1));
    folded.diagonal(0, -2, -1).add_(coefficient(j));
  };
  const at::Tensor square = at::bmm(attention, attention);
  at::Tensor product;  // A² times what was folded so far
  int64_t j = last - last % 2;
  if (j == last) {  // the highest pair is c·I alone: A² times it is no matrix product
    product = square * coefficient(j);
    j -= 2;
  }
  for (; j >= 0; j -= 2) {
    at::Tensor folded = product.defined() ? product : at::zeros_like(attention);
    add_pair(folded, j);
    product = at::bmm(square, folded);
  }
  return product;
}

}  // namespace

void MetricOptions::check() const { io::check_limits(*this); }

double indirect_weight(const MetricOptions& options) {
  double power = 1, sum = 0;
  for (int64_t t = 2; t <= options.gtd_hops; ++t) sum += power *= options.gtd_discount;
  return sum;
}

double idempotent_gtd(const MetricOptions& options) {
  const double b = indirect_weight(options);
  return b * b / (1 + b * b);
}

void check_attention_matrices(const at::Tensor& matrices, const std::string& what) {
  if (!matrices.defined()) fail(what, ": no tensor was given; [num_heads, L, L] was expected");
  if (matrices.dim() != 3 || matrices.size(0) < 1 || matrices.size(1) < 1 || matrices.size(1) != matrices.size(2))
    fail(what, ": the tensor has shape ", matrices.sizes(), "; [num_heads, L, L] with both at least 1 was expected");
  if (matrices.scalar_type() != at::kFloat && matrices.scalar_type() != at::kDouble)
    fail(what, ": the tensor has type ", matrices.scalar_type(), "; float32 or float64 was expected");
  // NaN fails both comparisons, so it is caught here too.
  const at::Tensor sums = matrices.sum(-1, /*keepdim=*/false, at::kDouble);
  const at::Tensor good = matrices.ge(0).all(-1).logical_and((sums - 1).abs().le(1e-3));
  if (good.all().item<bool>()) return;
  const at::Tensor first = good.logical_not().nonzero()[0];
  const auto head = first[0].item<int64_t>(), row = first[1].item<int64_t>();
  fail(what, ": head ", head, ", row ", row, " sums to ", sums[head][row].item<double>(), " (smallest entry ",
       matrices[head][row].min().item<double>(),
       "); rows of attention are not negative and sum to one: were padded positions left in?");
}

at::Tensor indirect_attention(const at::Tensor& matrices, const MetricOptions& options) {
  return indirect_of(matrices.to(at::kDouble), options);
}

std::vector<double> attention_entropy(const at::Tensor& matrices) {
  return to_vector(mean_row_entropy(matrices.to(at::kDouble)));
}

std::vector<double> gtd(const at::Tensor& matrices, const MetricOptions& options) {
  const at::Tensor attention = matrices.to(at::kDouble);
  return to_vector(gtd_of(attention, indirect_of(attention, options)));
}

std::vector<double> indirect_entropy(const at::Tensor& matrices, const MetricOptions& options) {
  return to_vector(indirect_entropy_of(indirect_attention(matrices, options)));
}

std::vector<double> sparsity(const at::Tensor& matrices, const MetricOptions& options) {
  return to_vector(sparsity_of(matrices.to(at::kDouble), options));
}

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names = {"attention_entropy", "gtd", "indirect_entropy", "sparsity"};
  return names;
}

std::string metric_unit(const std::string& name) {
  return name == "attention_entropy" || name == "indirect_entropy" ? "nats" : "";
}

MetricValues attention_metrics(const at::Tensor& matrices, const MetricOptions& options, const std::string& what) {
  check_attention_matrices(matrices, what);
  const at::Tensor attention = matrices.to(at::kDouble);
  const at::Tensor indirect = indirect_of(attention, options);
  return {{"attention_entropy", to_vector(mean_row_entropy(attention))},
          {"gtd", to_vector(gtd_of(attention, indirect))},
          {"indirect_entropy", to_vector(indirect_entropy_of(indirect))},
          {"sparsity", to_vector(sparsity_of(attention, options))}};
}

}  // namespace saobp::analysis
