// The autograd function around the fused kernels. Second derivatives go through the reference.
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "saobp/attention/checks.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/fused_message.h"
#include "saobp/attention/fused_operators.h"
#include "saobp/attention/reference.h"

namespace saobp::attention {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Gradients that can be differentiated again (create_graph), through the reference: one for each input, undefined where
// it takes none.
variable_list gradients_through_reference(const variable_list& inputs, const at::Tensor& upstream,
                                          const AttentionOptions& options) {
  const auto output = reference_attention(inputs[0], inputs[1], inputs[2], options);
  const auto takes_gradient = [](const Variable& input) { return input.defined() && input.requires_grad(); };
  variable_list wanted, result(inputs.size());
  for (const auto& input : inputs) {
    if (takes_gradient(input)) wanted.push_back(input);
  }
  const auto found = torch::autograd::grad({output}, wanted, {upstream}, /*retain_graph=*/true, /*create_graph=*/true);
  for (size_t i = 0, next = 0; i < inputs.size(); ++i) {
    if (takes_gradient(inputs[i])) result[i] = found[next++];
  }
  return result;
}

// The options from forward to backward: numbers in the context, tensors after `first` of what it saves.
void save_options(AutogradContext* context, const AttentionOptions& options, variable_list& tensors) {
  Arguments::each([&](auto argument) {
    if constexpr (argument.is_tensor) {
      tensors.push_back(argument.of(options).value_or(at::Tensor()));
    } else {
      context->saved_data[argument.schema] = argument.of(options);
    }
  });
}

AttentionOptions saved_options(AutogradContext* context, const variable_list& tensors, size_t first) {
  AttentionOptions options;
  Arguments::each([&](auto argument) {
    auto& field = argument.of(options);
    if constexpr (argument.is_tensor) {
      if (tensors[first].defined()) field = tensors[first];
      ++first;
    } else {
      field = context->saved_data[argument.schema].template to<std::remove_reference_t<decltype(field)>>();
    }
  });
  return options;
}

class FusedAttention : public torch::autograd::Function<FusedAttention> {
 public:
  // (output, statistics). The strengths are handed over by themselves, for autograd to see them.
  static variable_list forward(AutogradContext* context, const at::Tensor& query, const at::Tensor& key,
                               const at::Tensor& value, const OptionalTensor& strengths, AttentionOptions options,
                               bool with_statistics) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    const bool learn = strengths && strengths->requires_grad();
    options.strengths = strengths;
    auto [output, rows, columns, tables, statistics] =
        Operator<fused_forward>::call("saobp::_fused", options, query, key, value, learn, with_statistics);
    variable_list saved = {query, key, value, output, rows, columns, tables};
    save_options(context, options, saved);
    context->save_for_backward(saved);
    context->saved_data["learn"] = learn;
    context->mark_non_differentiable({statistics});
    return {output, statistics};
  }

  // Of the inputs, and nothing for the two arguments that are no tensors.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto options = saved_options(context, saved, 7);
    if (at::GradMode::is_enabled()) {
      auto found = gradients_through_reference({saved[0], saved[1], saved[2], options.strengths.value_or(at::Tensor())},
                                               gradients[0], options);
      found.resize(found.size() + 2);
      return found;
    }
    const bool learn = context->saved_data["learn"].toBool();
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto [query, key, value, strengths] =
        Operator<fused_backward>::call("saobp::_fused_backward", options, gradients[0], saved[0], saved[1], saved[2],
                                       saved[3], saved[4], saved[5], saved[6], learn);
    return {query, key, value, learn ? strengths : Variable(), Variable(), Variable()};
  }
};

variable_list apply(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    const AttentionOptions& options, bool with_statistics) {
  const auto type = query.scalar_type();
  if (type == at::kHalf || (type == at::kBFloat16 && !message_of(options).takes_bfloat16)) {
    const auto single = [](const at::Tensor& tensor) { return tensor.to(at::kFloat); };
    auto results = apply(single(query), single(key), single(value), options, with_statistics);
    return {results[0].to(type), results[1]};
  }
  AttentionOptions resolved = options;
  resolved.query_mask = effective_query_mask(query, key, options);
  resolved.strengths.reset();
  return FusedAttention::apply(query, key, value, options.strengths, resolved, with_statistics);
}

}  // namespace

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
