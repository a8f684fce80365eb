// The message of a signed strength (and of strength 0, which is none) on tensors.
#include <ATen/ATen.h>

#include "saobp/attention/fused_message.h"

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

SavedTensors make_saved(const AttentionOptions& options, const at::Tensor& query, const at::Tensor& key,
                        bool statistics) {
  const int64_t batch = query.size(0), heads = query.size(1), queries = query.size(2), keys = key.size(2);
  const auto floats = query.options().dtype(at::kFloat);
  const bool refines = options.strengths.has_value() || options.strength != 0;
  SavedTensors saved;
  saved.rows = at::zeros({4, batch, heads, queries}, floats);
  saved.columns = options.causal ? at::zeros({batch, heads, refines ? cpu::chunk_count(queries) : 0, keys},
                                             floats.dtype(at::kDouble))
                                 : at::zeros({batch, heads, keys}, floats);
  saved.tables = at::empty({0}, floats);
  saved.statistics = statistics ? at::zeros({4, batch, heads, queries}, floats) : at::empty({0}, floats);
  return saved;
}

cpu::Saved kernel_view(const FusedCall& call, const SavedTensors& saved) {
  const bool causal = call.problem.causal;
  return {saved_data<float>(saved.rows), causal ? nullptr : saved_data<float>(saved.columns),
          causal ? saved_data<double>(saved.columns) : nullptr, statistics_data(saved)};
}

void forward(const FusedCall& call, const at::Tensor& output, const SavedTensors& saved) {
  with_type(call.query, [&](auto element) {
    using T = decltype(element);
    cpu::forward<T>(call.problem, inputs_of<T>(call), view_of<T>(output), kernel_view(call, saved));
  });
}

void backward(const FusedCall& call, const at::Tensor& output, const at::Tensor& output_gradient,
              const SavedTensors& saved, const GradientTensors& gradients) {
  const auto run = [&](auto element, auto key_element) {
    using T = decltype(element);
    using KeyT = decltype(key_element);
    cpu::backward<T, KeyT>(call.problem, inputs_of<T>(call),
                           {view_of<const T>(output), view_of<const T>(output_gradient)}, kernel_view(call, saved),
                           {view_of<T>(gradients.query), view_of<KeyT>(gradients.key), view_of<KeyT>(gradients.value),
                            gradients.strengths.mutable_data_ptr<double>()});
  };
  with_type(call.query, [&](auto element) {
    gradients.key.scalar_type() == at::kFloat ? run(element, 0.0f) : run(element, element);
  });
}

}  // namespace

const FusedMessage kSignedMessage = {/*takes_bfloat16=*/true, make_saved, forward, backward};

}  // namespace saobp::attention
