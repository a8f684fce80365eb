// The operator saobp::refined_attention: schema and registrations.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "saobp/attention/checks.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/reference.h"
#include "saobp/attention/refined_attention.h"

namespace saobp::attention {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

at::Tensor operator_call(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const OptionalTensor& key_mask, const OptionalTensor& query_mask, double strength,
                         bool elemmul, bool exclude_self, bool causal, double dropout, int64_t seed) {
  const AttentionOptions options{elemmul, strength, exclude_self, causal, key_mask, query_mask, dropout, seed};
  check_arguments(query, key, value, options);
  if (fused_covers(query, options)) {
    // Half-precision types are computed in float; the conversions are differentiable.
    const auto single = [](const at::Tensor& tensor) { return tensor.to(at::kFloat); };
    return fused_attention(single(query), single(key), single(value), options).to(query.scalar_type());
  }
  last_kernels() = {"composite", ""};
  return reference_attention(query, key, value, options);
}

}  // namespace

AttentionOptions from_variant(Variant variant, double strength) {
  AttentionOptions options;
  options.elemmul = variant == Variant::elemmul;
  if (variant == Variant::high) options.strength = strength;
  if (variant == Variant::low) options.strength = -strength;
  return options;
}

at::Tensor refined_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const AttentionOptions& options) {
  static const auto handle =
      c10::Dispatcher::singleton().findSchemaOrThrow("saobp::refined_attention", "").typed<decltype(operator_call)>();
  return handle.call(query, key, value, options.key_mask, options.query_mask, options.strength, options.elemmul,
                     options.exclude_self, options.causal, options.dropout, options.seed);
}

std::pair<at::Tensor, at::Tensor> attention_matrices(const at::Tensor& query, const at::Tensor& key,
                                                     const AttentionOptions& options) {
  check_arguments(query, key, options);
  return reference_matrices(query, key, options);
}

std::string kernel_for(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                       const AttentionOptions& options) {
  check_arguments(query, key, value, options);
  return fused_covers(query, options) ? fused_kernel_name() : "composite";
}

std::string last_kernel() { return last_kernels().forward; }
std::string last_backward_kernel() { return last_kernels().backward; }

TORCH_LIBRARY(saobp, library) {
  library.def(
      "refined_attention(Tensor query, Tensor key, Tensor value, Tensor? key_mask, Tensor? query_mask, float strength, "
      "bool elemmul, bool exclude_self, bool causal, float dropout, int seed) -> Tensor");
}

TORCH_LIBRARY_IMPL(saobp, CompositeImplicitAutograd, library) { library.impl("refined_attention", operator_call); }

}  // namespace saobp::attention
