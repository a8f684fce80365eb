#include "saobp/analysis/seen_attention.h"

#include <ATen/ATen.h>

#include <cmath>

#include "saobp/attention/reference.h"
#include "saobp/io/error.h"

namespace saobp::analysis {
namespace {

// G = A² · P(A) with P(A) = Σ_{j=0..K−2} β^{j+1} A^j. P is read in pairs c_j I + c_{j+1} A (j even) and folded by
// Horner's rule in A², so that K = 4 takes two matrix products and each further pair of hops one more.
at::Tensor indirect_of(const at::Tensor& attention, const at::Tensor& square, const MeasureOptions& options) {
  const int64_t last = options.gtd_hops - 2;  // the highest power in P
  const auto coefficient = [&](int64_t j) { return std::pow(options.gtd_discount, static_cast<double>(j + 1)); };
  at::Tensor product;  // A² times what was folded so far
  int64_t j = last - last % 2;
  if (j == last) {  // the highest pair is c·I alone: A² times it is no matrix product
    product = square * coefficient(j);
    j -= 2;
  }
  for (; j >= 0; j -= 2) {
    at::Tensor folded = attention * coefficient(j + 1);
    if (product.defined()) folded.add_(product);
    folded.diagonal(0, -2, -1).add_(coefficient(j));
    product = at::bmm(square, folded);
  }
  return product;
}

}  // namespace

double indirect_weight(const MeasureOptions& options) {
  double power = 1, sum = 0;
  for (int64_t t = 2; t <= options.gtd_hops; ++t) sum += power *= options.gtd_discount;
  return sum;
}

double idempotent_gtd(const MeasureOptions& options) {
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
  const at::Tensor sums = matrices.sum(-1), lowest = matrices.amin(-1);
  const at::Tensor good = lowest.ge(0).logical_and((sums - 1).abs().le(1e-3));
  if (good.all().item<bool>()) return;
  const at::Tensor first = good.logical_not().nonzero()[0];
  const auto head = first[0].item<int64_t>(), row = first[1].item<int64_t>();
  fail(what, ": head ", head, ", row ", row, " sums to ", sums[head][row].item<double>(), " (smallest entry ",
       lowest[head][row].item<double>(),
       "); rows of attention are not negative and sum to one: were padded positions left in?");
}

at::Tensor indirect_attention(const at::Tensor& matrices, const MeasureOptions& options) {
  return indirect_of(matrices, at::bmm(matrices, matrices), options);
}

at::Tensor entropy_of_rows(const at::Tensor& rows) {
  // The smallest normal number stands for 0, whose product with its logarithm vanishes.
  const double tiny = rows.scalar_type() == at::kDouble ? 2.3e-308 : 1.2e-38;
  return rows.clamp_min(tiny).log_().mul_(rows).sum(-1).neg_();
}

const at::Tensor& SeenAttention::square() {
  if (!square_.defined()) square_ = at::bmm(matrices_, matrices_);
  return square_;
}

const at::Tensor& SeenAttention::indirect() {
  if (!indirect_.defined()) indirect_ = indirect_of(matrices_, square(), options_);
  return indirect_;
}

const at::Tensor& SeenAttention::row_entropy() {
  if (!row_entropy_.defined()) row_entropy_ = entropy_of_rows(matrices_);
  return row_entropy_;
}

const at::Tensor& SeenAttention::received() {
  if (!received_.defined()) received_ = matrices_.mean(1);
  return received_;
}

const at::Tensor& SeenAttention::singular_values() {
  if (!singular_values_.defined()) singular_values_ = at::linalg_svdvals(matrices_);
  return singular_values_;
}

const Depth::Layer& SeenAttention::layers_so_far() {
  if (!layers_so_far_.mean.defined()) layers_so_far_ = depth_.add(matrices_, options_);
  return layers_so_far_;
}

const std::vector<GraphIndices>& SeenAttention::graphs() {
  if (graphs_.empty())
    for (int64_t head = 0; head < heads(); ++head)
      graphs_.push_back(graph_indices(matrices_[head], options_.graph_tokens, options_.graph_threshold));
  return graphs_;
}

const at::Tensor& SeenStates::singular_values() {
  if (!singular_values_.defined()) {
    // From the smaller of the two products with itself, in double: far less work than the states' own decomposition.
    const auto exact = states_.to(at::kDouble);
    const auto gram = exact.size(0) < exact.size(1) ? at::mm(exact, exact.t()) : at::mm(exact.t(), exact);
    singular_values_ = at::linalg_eigvalsh(gram).flip(0).clamp_min(0).sqrt();
  }
  return singular_values_;
}

at::Tensor SeenAttention::scores() const {
  if (!layer_.query.defined()) return {};
  return at::matmul(layer_.query, layer_.key.transpose(1, 2)) / std::sqrt(static_cast<double>(layer_.query.size(2)));
}

at::Tensor SeenAttention::messages() const {
  if (layer_.options == nullptr || !is_refined(*layer_.options) || layer_.options->elemmul) return {};
  const auto& options = *layer_.options;
  const auto senders = at::scalar_tensor(length() - (sequence_.causal() ? 1 : 0), matrices_.options());
  if (options.strength_length == 0 || senders.item<double>() < 1) return make_messages(matrices_, options);
  const auto share = attention::strength_shares(senders, options, matrices_);  // that a row's length leaves of t
  return options.causal ? make_messages(matrices_, options) * share : make_messages(matrices_, options, share);
}

const Chain& SeenAttention::chain() {
  if (!chain_.stationary.defined()) chain_ = chain_of(matrices_, sequence_.causal());
  return chain_;
}

}  // namespace saobp::analysis
