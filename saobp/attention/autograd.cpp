// The autograd function around the fused kernels. Second derivatives go through the reference.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "saobp/attention/checks.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/reference.h"

namespace saobp::attention {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using Triple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

using ForwardOp = Triple(const at::Tensor&, const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                         const OptionalTensor&, double, bool, double, int64_t);
using BackwardOp = Triple(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                          const at::Tensor&, const at::Tensor&, const OptionalTensor&, const OptionalTensor&, double,
                          bool, double, int64_t);

template <class Signature>
auto find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").template typed<Signature>();
}

OptionalTensor optional(const at::Tensor& tensor) { return tensor.defined() ? OptionalTensor(tensor) : std::nullopt; }

class FusedAttention : public torch::autograd::Function<FusedAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& query, const at::Tensor& key,
                            const at::Tensor& value, const AttentionOptions& options) {
    static const auto op = find<ForwardOp>("saobp::_refined_attention_fused");
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto [output, rows, columns] = op.call(query, key, value, options.key_mask, options.query_mask, options.strength,
                                           options.exclude_self, options.dropout, options.seed);
    context->save_for_backward({query, key, value, output, rows, columns, options.key_mask.value_or(at::Tensor()),
                                options.query_mask.value_or(at::Tensor())});
    context->saved_data["strength"] = options.strength;
    context->saved_data["exclude_self"] = options.exclude_self;
    context->saved_data["dropout"] = options.dropout;
    context->saved_data["seed"] = options.seed;
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    AttentionOptions options;
    options.strength = context->saved_data["strength"].toDouble();
    options.exclude_self = context->saved_data["exclude_self"].toBool();
    options.dropout = context->saved_data["dropout"].toDouble();
    options.seed = context->saved_data["seed"].toInt();
    options.key_mask = optional(saved[6]);
    options.query_mask = optional(saved[7]);
    if (at::GradMode::is_enabled()) {
      return through_reference({saved[0], saved[1], saved[2]}, gradients[0], options);
    }
    static const auto op = find<BackwardOp>("saobp::_refined_attention_fused_backward");
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto [query, key, value] =
        op.call(gradients[0], saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], options.key_mask,
                options.query_mask, options.strength, options.exclude_self, options.dropout, options.seed);
    return {query, key, value, Variable()};
  }

 private:
  // create_graph: gradients that can be differentiated again.
  static variable_list through_reference(const variable_list& inputs, const at::Tensor& upstream,
                                         const AttentionOptions& options) {
    const auto output = reference_attention(inputs[0], inputs[1], inputs[2], options);
    variable_list wanted, result(4);
    for (const auto& input : inputs) {
      if (input.requires_grad()) wanted.push_back(input);
    }
    const auto found =
        torch::autograd::grad({output}, wanted, {upstream}, /*retain_graph=*/true, /*create_graph=*/true);
    for (size_t i = 0, next = 0; i < inputs.size(); ++i) {
      if (inputs[i].requires_grad()) result[i] = found[next++];
    }
    return result;
  }
};

}  // namespace

at::Tensor fused_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           const AttentionOptions& options) {
  AttentionOptions resolved = options;
  resolved.query_mask = effective_query_mask(query, key, options);
  return FusedAttention::apply(query, key, value, resolved);
}

}  // namespace saobp::attention
