// The operators saobp::refined_attention and saobp::refined_attention_statistics: schema and registrations.
#include <torch/library.h>

#include <tuple>

#include "saobp/attention/arguments.h"
#include "saobp/attention/checks.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/reference.h"
#include "saobp/attention/refined_attention.h"

namespace saobp::attention {
namespace {

at::Tensor attend(const AttentionOptions& options, const at::Tensor& query, const at::Tensor& key,
                  const at::Tensor& value) {
  check_arguments(query, key, value, options);
  if (fused_covers(query, options)) return fused_attention(query, key, value, options);
  last_kernels() = {"composite", ""};
  return reference_attention(query, key, value, options);
}

std::tuple<at::Tensor, at::Tensor> attend_with_statistics(const AttentionOptions& options, const at::Tensor& query,
                                                          const at::Tensor& key, const at::Tensor& value) {
  check_arguments(query, key, value, options);
  if (fused_covers(query, options)) return fused_attention_with_statistics(query, key, value, options);
  last_kernels() = {"composite", ""};
  return reference_with_statistics(query, key, value, options);
}

using Attend = Operator<attend>;
using AttendWithStatistics = Operator<attend_with_statistics>;

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
  return Attend::call("saobp::refined_attention", options, query, key, value);
}

AttentionWithStatistics refined_attention_with_statistics(const at::Tensor& query, const at::Tensor& key,
                                                          const at::Tensor& value, const AttentionOptions& options) {
  const auto [output, statistics] =
      AttendWithStatistics::call("saobp::refined_attention_statistics", options, query, key, value);
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
  return fused_covers(query, options) ? fused_kernel_name() : "composite";
}

std::string last_kernel() { return last_kernels().forward; }
std::string last_backward_kernel() { return last_kernels().backward; }

TORCH_LIBRARY(saobp, library) {
  const auto arguments = "(Tensor query, Tensor key, Tensor value, *, " + Arguments::schema() + ") -> ";
  library.def(("refined_attention" + arguments + "Tensor").c_str());
  library.def(("refined_attention_statistics" + arguments + "(Tensor, Tensor)").c_str());
}

TORCH_LIBRARY_IMPL(saobp, CompositeImplicitAutograd, library) {
  library.impl("refined_attention", Attend::kernel);
  library.impl("refined_attention_statistics", AttendWithStatistics::kernel);
}

}  // namespace saobp::attention
