#include "saobp/model/matmul.h"

#include "saobp/io/error.h"

#ifdef SAOBP_MKLDNN_MATMUL
namespace at::native {
// Exported by LibTorch without a header: result = alpha · mat1 · mat2 + beta · result.
TORCH_API void mkldnn_matmul(const Tensor& mat1, const Tensor& mat2, const Tensor& result, float beta, float alpha);
}  // namespace at::native
#endif

namespace saobp::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool multiplies_bfloat16() {
#ifdef __x86_64__
  static const bool answer = __builtin_cpu_supports("avx512bf16");
  return answer;
#else
  return false;
#endif
}

#ifdef SAOBP_MKLDNN_MATMUL
// LibTorch's function refuses floats, too, where oneDNN has no AVX-512: tried once.
bool onednn_multiplies_floats() {
  static const bool answer = [] {
    const auto one = torch::ones({1, 1}), out = torch::empty({1, 1});
    try {
      at::native::mkldnn_matmul(one, one, out, 0.0f, 1.0f);
      return true;
    } catch (const c10::Error&) {
      return false;
    }
  }();
  return answer;
}
#endif

torch::Tensor as_rows(const torch::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

struct Dense : torch::autograd::Function<Dense> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& weight,
                               const std::optional<torch::Tensor>& bias) {
    const auto rows = as_rows(x), own = weight.to(x.scalar_type());
    const auto out = torch::empty({rows.size(0), own.size(0)}, x.options());
    if (bias) out.copy_(*bias);
    matmul_into(out, rows, own.t(), bias.has_value());
    context->save_for_backward({x, own});
    context->saved_data["weight_type"] = weight.scalar_type();
    if (bias) context->saved_data["bias_type"] = bias->scalar_type();
    auto shape = x.sizes().vec();
    shape.back() = own.size(0);
    return out.view(shape);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const auto upstream = as_rows(gradients[0]), rows = as_rows(x);
    torch::Tensor dx, dw, db;
    if (context->needs_input_grad(0)) {
      dx = torch::empty_like(rows);
      matmul_into(dx, upstream, weight);
      dx = dx.view(x.sizes());
    }
    if (context->needs_input_grad(1)) {
      dw = torch::empty_like(weight);
      matmul_into(dw, upstream.t(), rows);
      dw = dw.to(context->saved_data["weight_type"].toScalarType());
    }
    if (const auto type = context->saved_data.find("bias_type"); type != context->saved_data.end())
      db = upstream.sum({0}, false, type->second.toScalarType());
    return {dx, dw, db};
  }
};

}  // namespace

void matmul_into(const torch::Tensor& out, const torch::Tensor& a, const torch::Tensor& b, bool add) {
  const bool bfloat16 = out.scalar_type() == torch::kBFloat16;
  if (out.is_cpu() && bfloat16 && !multiplies_bfloat16()) {
    const auto wide = add ? out.to(torch::kFloat) : torch::empty(out.sizes(), torch::kFloat);
    matmul_into(wide, a.to(torch::kFloat), b.to(torch::kFloat), add);
    const_cast<torch::Tensor&>(out).copy_(wide);
    return;
  }
#ifdef SAOBP_MKLDNN_MATMUL
  if (out.is_cpu() && out.scalar_type() == torch::kFloat && out.numel() > 0 && a.size(1) > 0 &&
      onednn_multiplies_floats())
    return at::native::mkldnn_matmul(a, b, out, add ? 1.0f : 0.0f, 1.0f);
#endif
  auto target = out;
  if (add) {
    target.addmm_(a, b);
  } else {
    at::mm_out(target, a, b);
  }
}

int64_t aligned_stride(int64_t columns) { return (columns + 31) / 32 * 32; }

torch::Tensor aligned_rows(int64_t rows, int64_t columns, const torch::TensorOptions& options) {
  const int64_t stride = aligned_stride(columns);
  const auto whole = torch::empty({rows, stride}, options);
  whole.narrow(1, columns, stride - columns).zero_();
  return whole.narrow(1, 0, columns);
}

torch::Tensor dense(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  if (!(x.dim() > 0 && weight.dim() == 2 && x.size(-1) == weight.size(1)))
    fail("dense: x has shape ", x.sizes(), " and weight ", weight.sizes(), "; [..., K] and [N, K] were expected");
  return Dense::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

}  // namespace saobp::model
