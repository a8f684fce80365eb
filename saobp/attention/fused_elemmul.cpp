// ElemMul's message on tensors.
#include <ATen/ATen.h>

#include "saobp/attention/cpu/elemmul_kernel.h"
#include "saobp/attention/fused_message.h"

namespace saobp::attention {
namespace {

SavedTensors make_saved(const AttentionOptions& options, const at::Tensor& query, const at::Tensor&, bool statistics) {
  const int64_t batch = query.size(0), heads = query.size(1), length = query.size(2);
  const int64_t table = cpu::elemmul_table_size(options.causal, length, query.size(3));
  const auto zeros = [&](at::IntArrayRef sizes) { return at::zeros(sizes, query.options()); };
  return {zeros({3, batch, heads, length}), zeros({batch, heads, length}), zeros({batch, heads, table}),
          statistics ? zeros({2, batch, heads, length}) : at::empty({0}, query.options())};
}

cpu::ElemmulSaved kernel_view(const SavedTensors& saved) {
  return {saved_data<float>(saved.rows), saved_data<float>(saved.columns), saved_data<float>(saved.tables),
          statistics_data(saved)};
}

void forward(const FusedCall& call, const at::Tensor& output, const SavedTensors& saved) {
  cpu::elemmul_forward(call.problem, inputs_of<float>(call), view_of<float>(output), kernel_view(saved));
}

void backward(const FusedCall& call, const at::Tensor& output, const at::Tensor& output_gradient,
              const SavedTensors& saved, const GradientTensors& gradients) {
  cpu::elemmul_backward(
      call.problem, inputs_of<float>(call), {view_of<const float>(output), view_of<const float>(output_gradient)},
      kernel_view(saved),
      {view_of<float>(gradients.query), view_of<float>(gradients.key), view_of<float>(gradients.value), nullptr});
}

}  // namespace

const FusedMessage kElemmulMessage = {/*takes_bfloat16=*/false, make_saved, forward, backward};

}  // namespace saobp::attention
