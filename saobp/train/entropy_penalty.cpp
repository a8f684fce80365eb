#include "saobp/train/entropy_penalty.h"

#include <cmath>

#include "saobp/io/error.h"

namespace saobp::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kRows = 64;  // of a block

// The keys that each of the rows from `begin` to `end` sees, [B or 1, 1, rows, keys] bool.
torch::Tensor visible_keys(const torch::Tensor& real, int64_t begin, int64_t end, bool causal) {
  if (!causal) return real.view({real.size(0), 1, 1, -1}).expand({-1, 1, end - begin, -1});
  const auto rows = torch::arange(begin, end).unsqueeze(1), keys = torch::arange(end).unsqueeze(0);
  return real.slice(1, 0, end).view({real.size(0), 1, 1, -1}).logical_and(keys <= rows);
}

// Since the penalty is a number, its gradients are made along with it, in the same sweep over the rows, and backward
// only scales them. Of a row's entropy: dH/dS_jk = −A_jk (log A_jk + H_j).
class EntropyPenalty : public torch::autograd::Function<EntropyPenalty> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& query_in, const torch::Tensor& key_in,
                               const torch::Tensor& thresholds_in, const torch::Tensor& real, bool causal,
                               double tolerance) {
    const auto type = query_in.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
    const auto query = query_in.to(type), key = key_in.to(type), thresholds = thresholds_in.to(type).view({1, -1, 1});
    const double scale = 1 / std::sqrt(static_cast<double>(query.size(3)));
    auto total = torch::zeros({}, query.options());
    auto d_query = torch::zeros_like(query), d_key = torch::zeros_like(key),
         d_thresholds = torch::zeros_like(thresholds);
    for (int64_t begin = 0; begin < query.size(2); begin += kRows) {
      const int64_t end = std::min(begin + kRows, query.size(2));
      const auto visible = visible_keys(real, begin, end, causal);
      const auto rows = query.slice(2, begin, end), keys = key.slice(2, 0, visible.size(3));
      // A large number instead of −∞: log A · A is then 0 where A is. Rows that see nothing are padded and do not
      // count.
      const auto scores = (torch::matmul(rows, keys.transpose(2, 3)) * scale).masked_fill(~visible, -1e30);
      const auto log_a = scores.log_softmax(-1), a = log_a.exp();
      const auto entropy = -(a * log_a).sum(-1);                      // [B, H, rows]
      const auto most = visible.sum(-1).clamp_min(1).to(type).log();  // [B or 1, 1, rows]
      const auto off = entropy - thresholds * most;
      const auto counted = (off.abs() > tolerance * most).logical_and(real.slice(1, begin, end).unsqueeze(1));
      const auto delta = off * counted;
      total += delta.square().sum();
      d_thresholds -= (2 * delta * most).sum({0, 2}, /*keepdim=*/true);
      const auto d_scores = a * (log_a + entropy.unsqueeze(-1)) * (-2 * scale * delta).unsqueeze(-1);
      d_query.slice(2, begin, end).copy_(torch::matmul(d_scores, keys));
      d_key.slice(2, 0, visible.size(3)).add_(torch::matmul(d_scores.transpose(2, 3), rows));
    }
    context->save_for_backward({d_query.to(query_in.scalar_type()), d_key.to(key_in.scalar_type()),
                                d_thresholds.view(-1).to(thresholds_in.scalar_type())});
    return total;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    if (at::GradMode::is_enabled()) fail("entropy_penalty: there is no second derivative");
    auto saved = context->get_saved_variables();
    for (auto& gradient : saved) gradient = gradient * gradients[0].to(gradient.scalar_type());
    return {saved[0], saved[1], saved[2], {}, {}, {}};
  }
};

}  // namespace

torch::Tensor entropy_penalty(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& thresholds,
                              const std::optional<torch::Tensor>& key_mask, bool causal, double tolerance) {
  if (query.sizes() != key.sizes())
    fail("entropy_penalty: query has shape ", query.sizes(), ", key ", key.sizes(), "; they must agree");
  if (!(thresholds.dim() == 1 && thresholds.size(0) == query.size(1)))
    fail("entropy_penalty: thresholds have shape ", thresholds.sizes(), ", query has ", query.size(1), " heads");
  const auto real = key_mask.value_or(torch::ones({query.size(0), query.size(2)}, torch::kBool));
  return EntropyPenalty::apply(query, key, thresholds, real, causal, tolerance);
}

}  // namespace saobp::train
