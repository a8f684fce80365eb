#include "saobp/attention/fused_elemmul.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <tuple>

#include "saobp/attention/checks.h"
#include "saobp/attention/cpu/elemmul_kernel.h"
#include "saobp/attention/fused.h"
#include "saobp/attention/fused_parts.h"

namespace saobp::attention {
namespace {

// (output, saved rows, saved columns, saved tables, statistics); see cpu::ElemmulSaved. Statistics have no elements if
// not wanted.
using ForwardResult = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
using Triple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// A call as the kernels take it, with the masks held contiguous.
struct Call {
  Call(const at::Tensor& query, const at::Tensor& key, const OptionalTensor& key_mask_in,
       const OptionalTensor& query_mask_in, bool causal, double dropout, int64_t seed) {
    if (key_mask_in) key_mask = key_mask_in->contiguous();
    if (query_mask_in) query_mask = query_mask_in->contiguous();
    const auto pointer = [](const at::Tensor& mask) { return mask.defined() ? mask.const_data_ptr<bool>() : nullptr; };
    problem.batch = query.size(0);
    problem.heads = query.size(1);
    problem.queries = problem.keys = query.size(2);
    problem.channels = query.size(3);
    problem.query_mask = pointer(query_mask);
    problem.key_mask = pointer(key_mask);
    problem.causal = causal;
    problem.dropout = dropout;
    problem.seed = seed;
    problem.group = key.size(1) > 0 ? problem.heads / key.size(1) : 1;
  }
  at::Tensor key_mask, query_mask;
  cpu::Problem problem{};
};

cpu::Inputs<float> inputs_of(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  return {view_of<const float>(query), view_of<const float>(key), view_of<const float>(value)};
}

cpu::ElemmulSaved saved_in(const at::Tensor& rows, const at::Tensor& columns, const at::Tensor& tables) {
  const auto data = [](const at::Tensor& tensor) { return const_cast<float*>(tensor.const_data_ptr<float>()); };
  return {data(rows), data(columns), data(tables)};
}

ForwardResult empty_results(const at::Tensor& query, bool causal, bool with_statistics) {
  const int64_t batch = query.size(0), heads = query.size(1), length = query.size(2);
  const int64_t table = cpu::elemmul_table_size(causal, length, query.size(3));
  // What belongs to padded rows is left at 0, so that results are the same bits in every run.
  return {empty_output(query), at::zeros({3, batch, heads, length}, query.options()),
          at::zeros({batch, heads, length}, query.options()), at::zeros({batch, heads, table}, query.options()),
          with_statistics ? at::zeros({2, batch, heads, length}, query.options()) : at::empty({0}, query.options())};
}

ForwardResult forward(const at::Tensor& query_in, const at::Tensor& key_in, const at::Tensor& value_in,
                      const OptionalTensor& key_mask, const OptionalTensor& query_mask, bool causal, double dropout,
                      int64_t seed, bool with_statistics) {
  const auto query = unit_last_stride(query_in), key = unit_last_stride(key_in), value = unit_last_stride(value_in);
  const Call call(query, key, key_mask, query_mask, causal, dropout, seed);
  auto [output, rows, columns, tables, statistics] = empty_results(query_in, causal, with_statistics);
  auto saved = saved_in(rows, columns, tables);
  if (with_statistics) saved.statistics = statistics.mutable_data_ptr<float>();
  cpu::elemmul_forward(call.problem, inputs_of(query, key, value), view_of<float>(output), saved);
  last_kernels() = {fused_kernel_name(), ""};
  return {output, rows, columns, tables, statistics};
}

Triple backward(const at::Tensor& output_gradient_in, const at::Tensor& query_in, const at::Tensor& key_in,
                const at::Tensor& value_in, const at::Tensor& output, const at::Tensor& rows, const at::Tensor& columns,
                const at::Tensor& tables, const OptionalTensor& key_mask, const OptionalTensor& query_mask, bool causal,
                double dropout, int64_t seed) {
  const auto query = unit_last_stride(query_in), key = unit_last_stride(key_in), value = unit_last_stride(value_in);
  const auto output_gradient = unit_last_stride(output_gradient_in);
  const Call call(query, key, key_mask, query_mask, causal, dropout, seed);
  const bool grouped = call.problem.group > 1;
  const auto query_gradient = empty_output(query_in);
  const auto for_key = [&](const at::Tensor& input) { return empty_output(grouped ? query_in : input); };
  auto key_gradient = for_key(key_in), value_gradient = for_key(value_in);
  cpu::elemmul_backward(
      call.problem, inputs_of(query, key, value),
      {saved_in(rows, columns, tables), {view_of<const float>(output), view_of<const float>(output_gradient)}},
      {view_of<float>(query_gradient), view_of<float>(key_gradient), view_of<float>(value_gradient), nullptr});
  if (grouped) {
    key_gradient = sum_over_groups(key_gradient, key_in);
    value_gradient = sum_over_groups(value_gradient, value_in);
  }
  last_kernels().backward = fused_kernel_name();
  return {query_gradient, key_gradient, value_gradient};
}

ForwardResult forward_meta(const at::Tensor& query, const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                           const OptionalTensor&, bool causal, double, int64_t, bool with_statistics) {
  return empty_results(query, causal, with_statistics);
}

Triple backward_meta(const at::Tensor&, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                     const OptionalTensor&, bool, double, int64_t) {
  return {empty_output(query), empty_output(key), empty_output(value)};
}

class FusedElemmul : public torch::autograd::Function<FusedElemmul> {
 public:
  // (output, statistics)
  static variable_list forward(AutogradContext* context, const at::Tensor& query, const at::Tensor& key,
                               const at::Tensor& value, const AttentionOptions& options, bool with_statistics) {
    static const auto op = find_operator<decltype(attention::forward)>("saobp::_elemmul_attention_fused");
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto [output, rows, columns, tables, statistics] =
        op.call(query, key, value, options.key_mask, options.query_mask, options.causal, options.dropout, options.seed,
                with_statistics);
    context->save_for_backward({query, key, value, output, rows, columns, tables,
                                options.key_mask.value_or(at::Tensor()), options.query_mask.value_or(at::Tensor())});
    context->saved_data["causal"] = options.causal;
    context->saved_data["dropout"] = options.dropout;
    context->saved_data["seed"] = options.seed;
    context->mark_non_differentiable({statistics});
    return {output, statistics};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    AttentionOptions options;
    options.elemmul = true;
    options.causal = context->saved_data["causal"].toBool();
    options.dropout = context->saved_data["dropout"].toDouble();
    options.seed = context->saved_data["seed"].toInt();
    options.key_mask = optional(saved[7]);
    options.query_mask = optional(saved[8]);
    if (at::GradMode::is_enabled())
      return gradients_through_reference({saved[0], saved[1], saved[2]}, gradients[0], options);
    static const auto op = find_operator<decltype(attention::backward)>("saobp::_elemmul_attention_fused_backward");
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto [query, key, value] =
        op.call(gradients[0], saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6], options.key_mask,
                options.query_mask, options.causal, options.dropout, options.seed);
    return {query, key, value, Variable(), Variable()};
  }
};

variable_list apply(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    const AttentionOptions& options, bool with_statistics) {
  // Half-precision types are computed in float; the conversions are differentiable.
  const auto single = [](const at::Tensor& tensor) { return tensor.to(at::kFloat); };
  AttentionOptions resolved = options;
  resolved.query_mask = effective_query_mask(query, key, options);
  auto results = FusedElemmul::apply(single(query), single(key), single(value), resolved, with_statistics);
  results[0] = results[0].to(query.scalar_type());
  return results;
}

}  // namespace

bool elemmul_fused_covers(const at::Tensor& query, const AttentionOptions& options) {
  return options.elemmul && fused_kernels_run(query, options);
}

at::Tensor fused_elemmul(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionOptions& options) {
  return apply(query, key, value, options, /*with_statistics=*/false)[0];
}

std::tuple<at::Tensor, at::Tensor> fused_elemmul_with_statistics(const at::Tensor& query, const at::Tensor& key,
                                                                 const at::Tensor& value,
                                                                 const AttentionOptions& options) {
  const auto results = apply(query, key, value, options, /*with_statistics=*/true);
  return {results[0], results[1]};
}

TORCH_LIBRARY_FRAGMENT(saobp, library) {
  library.def(
      "_elemmul_attention_fused(Tensor query, Tensor key, Tensor value, Tensor? key_mask, Tensor? query_mask, "
      "bool causal, float dropout, int seed, bool statistics) -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "_elemmul_attention_fused_backward(Tensor output_gradient, Tensor query, Tensor key, Tensor value, Tensor "
      "output, Tensor saved_rows, Tensor saved_columns, Tensor saved_tables, Tensor? key_mask, Tensor? query_mask, "
      "bool causal, float dropout, int seed) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(saobp, CPU, library) {
  library.impl("_elemmul_attention_fused", forward);
  library.impl("_elemmul_attention_fused_backward", backward);
}

TORCH_LIBRARY_IMPL(saobp, Meta, library) {
  library.impl("_elemmul_attention_fused", forward_meta);
  library.impl("_elemmul_attention_fused_backward", backward_meta);
}

}  // namespace saobp::attention
