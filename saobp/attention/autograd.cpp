// The autograd function around the fused kernels. Second derivatives go through the reference.
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "saobp/attention/checks.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/fused_parts.h"
#include "saobp/attention/reference.h"

namespace saobp::attention {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

using ForwardOp = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>(const at::Tensor&, const at::Tensor&,
                                                                             const at::Tensor&, const OptionalTensor&,
                                                                             const OptionalTensor&,
                                                                             const OptionalTensor&, double, bool, bool,
                                                                             double, int64_t, bool, bool);
using BackwardOp = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>(
    const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
    const at::Tensor&, const OptionalTensor&, const OptionalTensor&, const OptionalTensor&, double, bool, bool, double,
    int64_t, bool);

class FusedAttention : public torch::autograd::Function<FusedAttention> {
 public:
  // (output, statistics)
  static variable_list forward(AutogradContext* context, const at::Tensor& query, const at::Tensor& key,
                               const at::Tensor& value, const OptionalTensor& strengths,
                               const AttentionOptions& options, bool with_statistics) {
    static const auto op = find_operator<ForwardOp>("saobp::_refined_attention_fused");
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    const bool learn = strengths && strengths->requires_grad();
    auto [output, rows, columns, statistics] =
        op.call(query, key, value, strengths, options.key_mask, options.query_mask, options.strength,
                options.exclude_self, options.causal, options.dropout, options.seed, learn, with_statistics);
    const at::Tensor none;
    context->save_for_backward({query, key, value, strengths.value_or(none), output, rows, columns,
                                options.key_mask.value_or(none), options.query_mask.value_or(none)});
    context->saved_data["strength"] = options.strength;
    context->saved_data["exclude_self"] = options.exclude_self;
    context->saved_data["causal"] = options.causal;
    context->saved_data["dropout"] = options.dropout;
    context->saved_data["seed"] = options.seed;
    context->saved_data["learn"] = learn;
    context->mark_non_differentiable({statistics});
    return {output, statistics};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto options = saved_options(context, saved);
    if (at::GradMode::is_enabled()) {
      return gradients_through_reference({saved[0], saved[1], saved[2], saved[3]}, gradients[0], options);
    }
    const bool learn = context->saved_data["learn"].toBool();
    static const auto op = find_operator<BackwardOp>("saobp::_refined_attention_fused_backward");
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto [query, key, value, strengths] =
        op.call(gradients[0], saved[0], saved[1], saved[2], saved[4], saved[5], saved[6], options.strengths,
                options.key_mask, options.query_mask, options.strength, options.exclude_self, options.causal,
                options.dropout, options.seed, learn);
    return {query, key, value, learn ? strengths : Variable(), Variable(), Variable()};
  }

 private:
  static AttentionOptions saved_options(AutogradContext* context, const variable_list& saved) {
    AttentionOptions options;
    options.strength = context->saved_data["strength"].toDouble();
    options.exclude_self = context->saved_data["exclude_self"].toBool();
    options.causal = context->saved_data["causal"].toBool();
    options.dropout = context->saved_data["dropout"].toDouble();
    options.seed = context->saved_data["seed"].toInt();
    options.strengths = optional(saved[3]);
    options.key_mask = optional(saved[7]);
    options.query_mask = optional(saved[8]);
    return options;
  }
};

variable_list apply(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    const AttentionOptions& options, bool with_statistics) {
  if (query.scalar_type() == at::kHalf) {
    const auto single = [](const at::Tensor& tensor) { return tensor.to(at::kFloat); };
    auto results = apply(single(query), single(key), single(value), options, with_statistics);
    return {results[0].to(at::kHalf), results[1]};
  }
  AttentionOptions resolved = options;
  resolved.query_mask = effective_query_mask(query, key, options);
  resolved.strengths.reset();  // handed over by itself, for autograd to see it
  return FusedAttention::apply(query, key, value, options.strengths, resolved, with_statistics);
}

}  // namespace

variable_list gradients_through_reference(const variable_list& inputs, const at::Tensor& upstream,
                                          const AttentionOptions& options) {
  const auto output = reference_attention(inputs[0], inputs[1], inputs[2], options);
  const auto takes_gradient = [](const Variable& input) { return input.defined() && input.requires_grad(); };
  variable_list wanted, result(inputs.size() + 2);
  for (const auto& input : inputs) {
    if (takes_gradient(input)) wanted.push_back(input);
  }
  const auto found = torch::autograd::grad({output}, wanted, {upstream}, /*retain_graph=*/true, /*create_graph=*/true);
  for (size_t i = 0, next = 0; i < inputs.size(); ++i) {
    if (takes_gradient(inputs[i])) result[i] = found[next++];
  }
  return result;
}

at::Tensor fused_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           const AttentionOptions& options) {
  return apply(query, key, value, options, /*with_statistics=*/false)[0];
}

std::tuple<at::Tensor, at::Tensor> fused_attention_with_statistics(const at::Tensor& query, const at::Tensor& key,
                                                                   const at::Tensor& value,
                                                                   const AttentionOptions& options) {
  const auto results = apply(query, key, value, options, /*with_statistics=*/true);
  return {results[0], results[1]};
}

}  // namespace saobp::attention
