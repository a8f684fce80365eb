#include "saobp/attention/fused.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <tuple>

#include "saobp/attention/checks.h"
#include "saobp/attention/cpu/dispatch.h"
#include "saobp/attention/cpu/kernel.h"

namespace saobp::attention {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

template <class T>
cpu::View<T> view_of(const at::Tensor& tensor) {
  T* data;
  if constexpr (std::is_const_v<T>) {
    data = tensor.const_data_ptr<float>();
  } else {
    data = tensor.mutable_data_ptr<float>();
  }
  return {data, tensor.stride(0), tensor.stride(1), tensor.stride(2)};
}

// The kernels take any strides but the last, which is 1.
at::Tensor unit_last_stride(const at::Tensor& tensor) {
  return tensor.stride(3) == 1 || tensor.size(3) == 1 ? tensor : tensor.contiguous();
}

// Masks as the kernels read them: contiguous, or null.
struct Masks {
  Masks(const OptionalTensor& key_mask, const OptionalTensor& query_mask) {
    if (key_mask) key = key_mask->contiguous();
    if (query_mask) query = query_mask->contiguous();
  }
  static const bool* pointer(const at::Tensor& mask) { return mask.defined() ? mask.const_data_ptr<bool>() : nullptr; }
  at::Tensor key, query;
};

cpu::Problem problem_of(const at::Tensor& query, const at::Tensor& key, const Masks& masks, double strength,
                        bool exclude_self, double dropout, int64_t seed) {
  return {query.size(0),
          query.size(1),
          query.size(2),
          key.size(2),
          query.size(3),
          Masks::pointer(masks.query),
          Masks::pointer(masks.key),
          strength,
          exclude_self,
          dropout,
          seed};
}

using ForwardResult = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

ForwardResult empty_results(const at::Tensor& query, const at::Tensor& key) {
  // Rows of padded queries are left at 0, so that results are the same bits in every run.
  auto rows = at::zeros({4, query.size(0), query.size(1), query.size(2)}, query.options());
  auto columns = at::zeros({query.size(0), query.size(1), key.size(2)}, query.options());
  return {empty_output(query), std::move(rows), std::move(columns)};
}

ForwardResult fused_forward(const at::Tensor& query_in, const at::Tensor& key_in, const at::Tensor& value_in,
                            const OptionalTensor& key_mask, const OptionalTensor& query_mask, double strength,
                            bool exclude_self, double dropout, int64_t seed) {
  const auto query = unit_last_stride(query_in), key = unit_last_stride(key_in), value = unit_last_stride(value_in);
  const Masks masks(key_mask, query_mask);
  auto [output, rows, columns] = empty_results(query_in, key_in);
  cpu::forward(problem_of(query, key, masks, strength, exclude_self, dropout, seed), view_of<const float>(query),
               view_of<const float>(key), view_of<const float>(value), view_of<float>(output),
               {rows.mutable_data_ptr<float>(), columns.mutable_data_ptr<float>()});
  last_kernels() = {fused_kernel_name(), ""};
  return {output, rows, columns};
}

ForwardResult fused_backward(const at::Tensor& output_gradient_in, const at::Tensor& query_in, const at::Tensor& key_in,
                             const at::Tensor& value_in, const at::Tensor& output, const at::Tensor& rows,
                             const at::Tensor& columns, const OptionalTensor& key_mask,
                             const OptionalTensor& query_mask, double strength, bool exclude_self, double dropout,
                             int64_t seed) {
  const auto query = unit_last_stride(query_in), key = unit_last_stride(key_in), value = unit_last_stride(value_in);
  const auto output_gradient = unit_last_stride(output_gradient_in);
  const Masks masks(key_mask, query_mask);
  auto query_gradient = empty_output(query_in), key_gradient = empty_output(key_in),
       value_gradient = empty_output(value_in);
  cpu::backward(problem_of(query, key, masks, strength, exclude_self, dropout, seed), view_of<const float>(query),
                view_of<const float>(key), view_of<const float>(value), view_of<const float>(output),
                view_of<const float>(output_gradient),
                {const_cast<float*>(rows.const_data_ptr<float>()), const_cast<float*>(columns.const_data_ptr<float>())},
                {view_of<float>(query_gradient), view_of<float>(key_gradient), view_of<float>(value_gradient)});
  last_kernels().backward = fused_kernel_name();
  return {query_gradient, key_gradient, value_gradient};
}

ForwardResult fused_forward_meta(const at::Tensor& query, const at::Tensor& key, const at::Tensor&,
                                 const OptionalTensor&, const OptionalTensor&, double, bool, double, int64_t) {
  return empty_results(query, key);
}

ForwardResult fused_backward_meta(const at::Tensor&, const at::Tensor& query, const at::Tensor& key,
                                  const at::Tensor& value, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                  const OptionalTensor&, const OptionalTensor&, double, bool, double, int64_t) {
  return {empty_output(query), empty_output(key), empty_output(value)};
}

}  // namespace

bool fused_covers(const at::Tensor& query, const AttentionOptions& options) {
  const auto type = query.scalar_type();
  return query.device().is_cpu() && !options.elemmul && !options.causal &&
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
  library.def(
      "_refined_attention_fused(Tensor query, Tensor key, Tensor value, Tensor? key_mask, Tensor? query_mask, "
      "float strength, bool exclude_self, float dropout, int seed) -> (Tensor, Tensor, Tensor)");
  library.def(
      "_refined_attention_fused_backward(Tensor output_gradient, Tensor query, Tensor key, Tensor value, Tensor "
      "output, "
      "Tensor saved_rows, Tensor saved_columns, Tensor? key_mask, Tensor? query_mask, float strength, "
      "bool exclude_self, float dropout, int seed) -> (Tensor, Tensor, Tensor)");
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
