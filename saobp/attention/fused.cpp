// The fused operators: what all messages share on their tensor side. Half-precision types that a message's kernels do
// not take are computed in float by the caller (autograd.cpp).
#include "saobp/attention/fused.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <cmath>

#include "saobp/attention/checks.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/fused_message.h"
#include "saobp/attention/fused_operators.h"

namespace saobp::attention {
namespace {

// The kernels take any strides but the last, which is 1.
at::Tensor unit_last_stride(const at::Tensor& tensor) {
  return tensor.stride(3) == 1 || tensor.size(3) == 1 ? tensor : tensor.contiguous();
}

const bool* pointer(const at::Tensor& mask) { return mask.defined() ? mask.const_data_ptr<bool>() : nullptr; }

// Each query head's gradients of a key head [B, H, L, D] → those of the key heads, added up over each group in order,
// in the layout of `key`; the first of a group is overwritten.
at::Tensor sum_over_groups(const at::Tensor& gradient, const at::Tensor& key) {
  const int64_t heads = key.size(1), group = gradient.size(1) / heads;
  const auto parts = gradient.view({key.size(0), heads, group, key.size(2), key.size(3)});
  const auto sum = parts.select(2, 0);
  for (int64_t member = 1; member < group; ++member) sum.add_(parts.select(2, member));
  return empty_output(key).copy_(sum);
}

// [batch, heads] in double → the shape and type of the strengths.
at::Tensor sum_over_batch(const at::Tensor& gradient, const at::Tensor& strengths) {
  auto sum = at::zeros({strengths.size(0)}, gradient.options());
  double* target = sum.mutable_data_ptr<double>();
  const double* source = gradient.const_data_ptr<double>();
  const int64_t heads = gradient.size(1);
  for (int64_t n = 0; n < gradient.numel(); ++n) target[strengths.size(0) == 1 ? 0 : n % heads] += source[n];
  return sum.to(strengths.scalar_type());
}

}  // namespace

FusedCall::FusedCall(const AttentionOptions& options, const at::Tensor& query_in, const at::Tensor& key_in,
                     const at::Tensor& value_in, bool learn_strengths)
    : query(unit_last_stride(query_in)), key(unit_last_stride(key_in)), value(unit_last_stride(value_in)) {
  const int64_t heads = query.size(1);
  if (options.key_mask) key_mask_ = options.key_mask->contiguous();
  if (options.query_mask) query_mask_ = options.query_mask->contiguous();
  problem = {query.size(0),        heads,
             query.size(2),        key.size(2),
             query.size(3),        pointer(query_mask_),
             pointer(key_mask_),   options.strength,
             options.exclude_self, options.dropout,
             options.seed};
  problem.causal = options.causal;
  problem.strength_length = options.strength_length;
  problem.group = key.size(1) > 0 ? heads / key.size(1) : 1;
  problem.learn_strengths = learn_strengths;
  if (!options.strengths) return;
  strengths_ = options.strengths->to(at::kDouble).expand({heads}).contiguous();
  problem.strengths = strengths_.const_data_ptr<double>();
  for (int64_t head = 0; head < heads; ++head)  // which check_arguments cannot see of tensors that are being traced
    TORCH_CHECK(std::abs(problem.strengths[head]) <= kMaxStrength, "refined_attention: strengths[", head, "] is ",
                problem.strengths[head], "; expected a number between -", kMaxStrength, " and ", kMaxStrength);
}

FusedForward fused_forward(const AttentionOptions& options, const at::Tensor& query, const at::Tensor& key,
                           const at::Tensor& value, bool learn_strengths, bool statistics) {
  const FusedCall call(options, query, key, value, learn_strengths);
  const auto output = empty_output(query);
  const auto saved = message_of(options).make_saved(options, query, key, statistics);
  message_of(options).forward(call, output, saved);
  last_kernels() = {fused_kernel_name(), ""};
  return {output, saved.rows, saved.columns, saved.tables, saved.statistics};
}

FusedBackward fused_backward(const AttentionOptions& options, const at::Tensor& output_gradient,
                             const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const at::Tensor& output, const at::Tensor& rows, const at::Tensor& columns,
                             const at::Tensor& tables, bool learn_strengths) {
  const FusedCall call(options, query, key, value, learn_strengths);
  const bool grouped = call.problem.group > 1;
  const auto for_key = [&](const at::Tensor& input) {
    if (!grouped) return empty_output(input);
    return at::empty({query.size(0), query.size(1), key.size(2), key.size(3)}, query.options().dtype(at::kFloat));
  };
  GradientTensors gradients{empty_output(query), for_key(key), for_key(value),
                            at::zeros({query.size(0), query.size(1)}, query.options().dtype(at::kDouble))};
  message_of(options).backward(call, output, unit_last_stride(output_gradient), {rows, columns, tables, {}}, gradients);
  last_kernels().backward = fused_kernel_name();
  if (grouped) {
    gradients.key = sum_over_groups(gradients.key, key);
    gradients.value = sum_over_groups(gradients.value, value);
  }
  return {gradients.query, gradients.key, gradients.value,
          options.strengths ? sum_over_batch(gradients.strengths, *options.strengths)
                            : at::empty({0}, gradients.strengths.options())};
}

namespace {

FusedForward forward_shapes(const AttentionOptions& options, const at::Tensor& query, const at::Tensor& key,
                            const at::Tensor&, bool, bool statistics) {
  const auto saved = message_of(options).make_saved(options, query, key, statistics);
  return {empty_output(query), saved.rows, saved.columns, saved.tables, saved.statistics};
}

FusedBackward backward_shapes(const AttentionOptions& options, const at::Tensor&, const at::Tensor& query,
                              const at::Tensor& key, const at::Tensor& value, const at::Tensor&, const at::Tensor&,
                              const at::Tensor&, const at::Tensor&, bool) {
  return {empty_output(query), empty_output(key), empty_output(value),
          options.strengths ? at::empty_like(*options.strengths) : at::empty({0}, query.options().dtype(at::kDouble))};
}

}  // namespace

bool fused_covers(const at::Tensor& query, const AttentionOptions& options) {
  const auto type = query.scalar_type();
  return query.device().is_cpu() && !options.leaky_causal && options.steps == 1 &&
         (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf);
}

const char* fused_kernel_name() {
  const std::string target = cpu::target_name();
  if (target == "avx512") return "cpu/avx512";
  return target == "avx2" ? "cpu/avx2" : "cpu/baseline";
}

LastKernels& last_kernels() {
  thread_local LastKernels kernels;
  return kernels;
}

TORCH_LIBRARY_FRAGMENT(saobp, library) {
  library.def(("_fused(Tensor query, Tensor key, Tensor value, bool learn_strengths, bool statistics, " +
               Arguments::schema() + ") -> (Tensor, Tensor, Tensor, Tensor, Tensor)")
                  .c_str());
  library.def(("_fused_backward(Tensor output_gradient, Tensor query, Tensor key, Tensor value, Tensor output, Tensor "
               "saved_rows, Tensor saved_columns, Tensor saved_tables, bool learn_strengths, " +
               Arguments::schema() + ") -> (Tensor, Tensor, Tensor, Tensor)")
                  .c_str());
}

TORCH_LIBRARY_IMPL(saobp, CPU, library) {
  library.impl("_fused", Operator<fused_forward>::kernel);
  library.impl("_fused_backward", Operator<fused_backward>::kernel);
}

TORCH_LIBRARY_IMPL(saobp, Meta, library) {
  library.impl("_fused", Operator<forward_shapes>::kernel);
  library.impl("_fused_backward", Operator<backward_shapes>::kernel);
}

}  // namespace saobp::attention
