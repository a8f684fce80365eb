// The operators saobp::refined_attention and saobp::refined_attention_statistics: schema and registrations.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <tuple>

#include "saobp/attention/checks.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/fused_elemmul.h"
#include "saobp/attention/reference.h"
#include "saobp/attention/refined_attention.h"

namespace saobp::attention {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

AttentionOptions make_options(const OptionalTensor& key_mask, const OptionalTensor& query_mask,
                              const OptionalTensor& strengths, double strength, bool elemmul, bool exclude_self,
                              bool causal, bool leaky_causal, int64_t steps, double dropout, int64_t seed) {
  AttentionOptions options;
  options.elemmul = elemmul;
  options.strength = strength;
  options.strengths = strengths;
  options.exclude_self = exclude_self;
  options.causal = causal;
  options.leaky_causal = leaky_causal;
  options.steps = steps;
  options.key_mask = key_mask;
  options.query_mask = query_mask;
  options.dropout = dropout;
  options.seed = seed;
  return options;
}

bool takes_fused(const at::Tensor& query, const AttentionOptions& options) {
  return fused_covers(query, options) || elemmul_fused_covers(query, options);
}

at::Tensor operator_call(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const OptionalTensor& key_mask, const OptionalTensor& query_mask,
                         const OptionalTensor& strengths, double strength, bool elemmul, bool exclude_self, bool causal,
                         bool leaky_causal, int64_t steps, double dropout, int64_t seed) {
  const auto options = make_options(key_mask, query_mask, strengths, strength, elemmul, exclude_self, causal,
                                    leaky_causal, steps, dropout, seed);
  check_arguments(query, key, value, options);
  if (fused_covers(query, options)) return fused_attention(query, key, value, options);
  if (elemmul_fused_covers(query, options)) return fused_elemmul(query, key, value, options);
  last_kernels() = {"composite", ""};
  return reference_attention(query, key, value, options);
}

std::tuple<at::Tensor, at::Tensor> statistics_call(const at::Tensor& query, const at::Tensor& key,
                                                   const at::Tensor& value, const OptionalTensor& key_mask,
                                                   const OptionalTensor& query_mask, const OptionalTensor& strengths,
                                                   double strength, bool elemmul, bool exclude_self, bool causal,
                                                   bool leaky_causal, int64_t steps, double dropout, int64_t seed) {
  const auto options = make_options(key_mask, query_mask, strengths, strength, elemmul, exclude_self, causal,
                                    leaky_causal, steps, dropout, seed);
  check_arguments(query, key, value, options);
  if (elemmul_fused_covers(query, options)) return fused_elemmul_with_statistics(query, key, value, options);
  if (fused_covers(query, options)) return fused_attention_with_statistics(query, key, value, options);
  last_kernels() = {"composite", ""};
  return reference_with_statistics(query, key, value, options);
}

template <class Signature>
auto call(const char* name, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
          const AttentionOptions& options) {
  const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
  return handle.call(query, key, value, options.key_mask, options.query_mask, options.strengths, options.strength,
                     options.elemmul, options.exclude_self, options.causal, options.leaky_causal, options.steps,
                     options.dropout, options.seed);
}

// The arguments of both operators.
#define SAOBP_ARGUMENTS                                                                                     \
  "(Tensor query, Tensor key, Tensor value, *, Tensor? key_mask=None, Tensor? query_mask=None, Tensor? "    \
  "strengths=None, float strength=0., bool elemmul=False, bool exclude_self=True, bool causal=False, bool " \
  "leaky_causal=False, int steps=1, float dropout=0., int seed=0)"

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
  return call<decltype(operator_call)>("saobp::refined_attention", query, key, value, options);
}

AttentionWithStatistics refined_attention_with_statistics(const at::Tensor& query, const at::Tensor& key,
                                                          const at::Tensor& value, const AttentionOptions& options) {
  const auto [output, statistics] =
      call<decltype(statistics_call)>("saobp::refined_attention_statistics", query, key, value, options);
  AttentionWithStatistics result{output, statistics[0], statistics[1], {}, {}};
  if (!options.elemmul) {
    result.entropy_b = statistics[2];
    result.squared_norm_b = statistics[3];
  }
  return result;
}

std::pair<at::Tensor, at::Tensor> attention_matrices(const at::Tensor& query, const at::Tensor& key,
                                                     const AttentionOptions& options) {
  check_arguments(query, key, options);
  return reference_matrices(query, key, options);
}

std::string kernel_for(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                       const AttentionOptions& options) {
  check_arguments(query, key, value, options);
  return takes_fused(query, options) ? fused_kernel_name() : "composite";
}

std::string last_kernel() { return last_kernels().forward; }
std::string last_backward_kernel() { return last_kernels().backward; }

TORCH_LIBRARY(saobp, library) {
  library.def("refined_attention" SAOBP_ARGUMENTS " -> Tensor");
  library.def("refined_attention_statistics" SAOBP_ARGUMENTS " -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(saobp, CompositeImplicitAutograd, library) {
  library.impl("refined_attention", operator_call);
  library.impl("refined_attention_statistics", statistics_call);
}

}  // namespace saobp::attention
