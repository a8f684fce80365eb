#include "saobp/attention/fused.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <cmath>
#include <tuple>

#include "saobp/attention/checks.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/kernel.h"
#include "saobp/attention/fused_parts.h"

namespace saobp::attention {
namespace {

// Calls f(T()) with the type of the tensor's elements.
template <class F>
void with_type(const at::Tensor& tensor, F&& f) {
  if (tensor.scalar_type() == at::kBFloat16) return f(c10::BFloat16());
  TORCH_CHECK(tensor.scalar_type() == at::kFloat, "refined_attention: the fused kernels take Float or BFloat16, found ",
              tensor.scalar_type());
  f(0.0f);
}

// The arguments of both operators that are not activations, as the kernels read them.
struct Arguments {
  Arguments(const at::Tensor& query, const at::Tensor& key, const OptionalTensor& strengths_in,
            const OptionalTensor& key_mask_in, const OptionalTensor& query_mask_in, double strength, bool exclude_self,
            bool causal, double dropout, int64_t seed, bool learn_strengths) {
    if (key_mask_in) key_mask = key_mask_in->contiguous();
    if (query_mask_in) query_mask = query_mask_in->contiguous();
    const int64_t heads = query.size(1);
    if (strengths_in) {
      strengths = strengths_in->to(at::kDouble).expand({heads}).contiguous();
      check_strengths();
    }
    problem = {query.size(0),     heads,    query.size(2), key.size(2), query.size(3), pointer(query_mask),
               pointer(key_mask), strength, exclude_self,  dropout,     seed};
    problem.strengths = strengths.defined() ? strengths.const_data_ptr<double>() : nullptr;
    problem.learn_strengths = learn_strengths;
    problem.causal = causal;
    problem.group = key.size(1) > 0 ? heads / key.size(1) : 1;
  }

  static const bool* pointer(const at::Tensor& mask) { return mask.defined() ? mask.const_data_ptr<bool>() : nullptr; }

  void check_strengths() const {
    for (int64_t head = 0; head < strengths.size(0); ++head) {
      const double value = strengths.const_data_ptr<double>()[head];
      TORCH_CHECK(std::abs(value) <= kMaxStrength, "refined_attention: strengths[", head, "] is ", value,
                  "; expected a number between -", kMaxStrength, " and ", kMaxStrength);
    }
  }

  cpu::Problem problem;
  at::Tensor strengths, key_mask, query_mask;  // what the problem's pointers point to
};

// (output, saved rows, saved columns, statistics); see cpu::Saved. Statistics have no elements if not wanted.
using ForwardResult = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
// The gradients of query, key, value and of the strengths (without elements if there are none).
using BackwardResult = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

ForwardResult empty_results(const at::Tensor& query, const at::Tensor& key, bool refine, bool causal,
                            bool with_statistics) {
  const int64_t batch = query.size(0), heads = query.size(1), queries = query.size(2), keys = key.size(2);
  const auto floats = query.options().dtype(at::kFloat);
  // Rows of padded queries are left at 0, so that results are the same bits in every run.
  auto rows = at::zeros({4, batch, heads, queries}, floats);
  at::Tensor columns;
  if (!causal) {
    columns = at::zeros({batch, heads, keys}, floats);
  } else {
    columns = at::zeros({batch, heads, refine ? cpu::chunk_count(queries) : 0, keys}, floats.dtype(at::kDouble));
  }
  auto statistics = with_statistics ? at::zeros({4, batch, heads, queries}, floats) : at::empty({0}, floats);
  return {empty_output(query), std::move(rows), std::move(columns), std::move(statistics)};
}

cpu::Saved saved_of(const at::Tensor& rows, const at::Tensor& columns, bool causal) {
  cpu::Saved saved{const_cast<float*>(rows.const_data_ptr<float>()), nullptr, nullptr};
  if (causal) {
    saved.prefix_sums = const_cast<double*>(columns.const_data_ptr<double>());
  } else {
    saved.column_bias = const_cast<float*>(columns.const_data_ptr<float>());
  }
  return saved;
}

template <class T>
cpu::Inputs<T> inputs_of(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  return {view_of<const T>(query), view_of<const T>(key), view_of<const T>(value)};
}

ForwardResult fused_forward(const at::Tensor& query_in, const at::Tensor& key_in, const at::Tensor& value_in,
                            const OptionalTensor& strengths, const OptionalTensor& key_mask,
                            const OptionalTensor& query_mask, double strength, bool exclude_self, bool causal,
                            double dropout, int64_t seed, bool learn_strengths, bool with_statistics) {
  const auto query = unit_last_stride(query_in), key = unit_last_stride(key_in), value = unit_last_stride(value_in);
  const Arguments arguments(query, key, strengths, key_mask, query_mask, strength, exclude_self, causal, dropout, seed,
                            learn_strengths);
  auto [output, rows, columns, statistics] =
      empty_results(query_in, key_in, strengths.has_value() || strength != 0, causal, with_statistics);
  auto saved = saved_of(rows, columns, causal);
  if (with_statistics) saved.statistics = statistics.mutable_data_ptr<float>();
  with_type(query, [&](auto element) {
    using T = decltype(element);
    cpu::forward<T>(arguments.problem, inputs_of<T>(query, key, value), view_of<T>(output), saved);
  });
  last_kernels() = {fused_kernel_name(), ""};
  return {output, rows, columns, statistics};
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

BackwardResult fused_backward(const at::Tensor& output_gradient_in, const at::Tensor& query_in,
                              const at::Tensor& key_in, const at::Tensor& value_in, const at::Tensor& output,
                              const at::Tensor& rows, const at::Tensor& columns, const OptionalTensor& strengths,
                              const OptionalTensor& key_mask, const OptionalTensor& query_mask, double strength,
                              bool exclude_self, bool causal, double dropout, int64_t seed, bool learn_strengths) {
  const auto query = unit_last_stride(query_in), key = unit_last_stride(key_in), value = unit_last_stride(value_in);
  const auto output_gradient = unit_last_stride(output_gradient_in);
  const Arguments arguments(query, key, strengths, key_mask, query_mask, strength, exclude_self, causal, dropout, seed,
                            learn_strengths);
  const auto saved = saved_of(rows, columns, causal);
  const bool grouped = arguments.problem.group > 1;
  const auto for_key = [&](const at::Tensor& input) {
    if (!grouped) return empty_output(input);
    return at::empty({query.size(0), query.size(1), key.size(2), key.size(3)}, query.options().dtype(at::kFloat));
  };
  auto query_gradient = empty_output(query_in), key_gradient = for_key(key_in), value_gradient = for_key(value_in);
  const auto strength_gradient = at::empty({query.size(0), query.size(1)}, query.options().dtype(at::kDouble));
  const auto run = [&](auto element, auto key_element) {
    using T = decltype(element);
    using KeyT = decltype(key_element);
    const cpu::Gradients<T, KeyT> gradients{view_of<T>(query_gradient), view_of<KeyT>(key_gradient),
                                            view_of<KeyT>(value_gradient),
                                            strength_gradient.mutable_data_ptr<double>()};
    cpu::backward<T, KeyT>(arguments.problem, inputs_of<T>(query, key, value),
                           {view_of<const T>(output), view_of<const T>(output_gradient)}, saved, gradients);
  };
  with_type(query, [&](auto element) {
    if (grouped) {
      run(element, 0.0f);
    } else {
      run(element, element);
    }
  });
  if (grouped) {
    key_gradient = sum_over_groups(key_gradient, key_in);
    value_gradient = sum_over_groups(value_gradient, value_in);
  }
  last_kernels().backward = fused_kernel_name();
  return {query_gradient, key_gradient, value_gradient,
          strengths ? sum_over_batch(strength_gradient, *strengths) : at::empty({0}, strength_gradient.options())};
}

ForwardResult fused_forward_meta(const at::Tensor& query, const at::Tensor& key, const at::Tensor&,
                                 const OptionalTensor& strengths, const OptionalTensor&, const OptionalTensor&,
                                 double strength, bool, bool causal, double, int64_t, bool, bool with_statistics) {
  return empty_results(query, key, strengths.has_value() || strength != 0, causal, with_statistics);
}

BackwardResult fused_backward_meta(const at::Tensor&, const at::Tensor& query, const at::Tensor& key,
                                   const at::Tensor& value, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                   const OptionalTensor& strengths, const OptionalTensor&, const OptionalTensor&,
                                   double, bool, bool, double, int64_t, bool) {
  return {empty_output(query), empty_output(key), empty_output(value),
          strengths ? at::empty_like(*strengths) : at::empty({0}, query.options().dtype(at::kDouble))};
}

}  // namespace

bool fused_covers(const at::Tensor& query, const AttentionOptions& options) {
  return !options.elemmul && fused_kernels_run(query, options);
}

const char* fused_kernel_name() {
  const std::string target = cpu::target_name();
  if (target == "avx512") return "cpu/avx512";
  return target == "avx2" ? "cpu/avx2" : "cpu/baseline";
}

at::Tensor sum_over_groups(const at::Tensor& gradient, const at::Tensor& key) {
  const int64_t heads = key.size(1), group = gradient.size(1) / heads;
  const auto parts = gradient.view({key.size(0), heads, group, key.size(2), key.size(3)});
  const auto sum = parts.select(2, 0);
  for (int64_t member = 1; member < group; ++member) sum.add_(parts.select(2, member));
  return empty_output(key).copy_(sum);
}

LastKernels& last_kernels() {
  thread_local LastKernels kernels;
  return kernels;
}

TORCH_LIBRARY_FRAGMENT(saobp, library) {
  library.def(
      "_refined_attention_fused(Tensor query, Tensor key, Tensor value, Tensor? strengths, Tensor? key_mask, "
      "Tensor? query_mask, float strength, bool exclude_self, bool causal, float dropout, int seed, "
      "bool learn_strengths, bool statistics) -> (Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "_refined_attention_fused_backward(Tensor output_gradient, Tensor query, Tensor key, Tensor value, Tensor "
      "output, Tensor saved_rows, Tensor saved_columns, Tensor? strengths, Tensor? key_mask, Tensor? query_mask, "
      "float strength, bool exclude_self, bool causal, float dropout, int seed, bool learn_strengths) -> (Tensor, "
      "Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(saobp, CPU, library) {
  library.impl("_refined_attention_fused", fused_forward);
  library.impl("_refined_attention_fused_backward", fused_backward);
}

TORCH_LIBRARY_IMPL(saobp, Meta, library) {
  library.impl("_refined_attention_fused", fused_forward_meta);
  library.impl("_refined_attention_fused_backward", fused_backward_meta);
}

}  // namespace saobp::attention
