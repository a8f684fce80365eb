#include "saobp/model/add_norm.h"

#include "saobp/io/error.h"
#include "saobp/model/cpu/rows.h"
#include "saobp/model/dropout.h"

namespace saobp::model {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using OptionalTensor = std::optional<Tensor>;

bool has_kernels(const Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16);
}

// Calls f(T()) with the type of the tensor's elements.
template <class F>
void with_type(const Tensor& tensor, F&& f) {
  if (tensor.scalar_type() == torch::kBFloat16) return f(c10::BFloat16());
  f(0.0f);
}

template <class T>
const T* read(const Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

template <class T>
T* write(const Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

OptionalTensor optional(const Tensor& tensor) { return tensor.defined() ? OptionalTensor(tensor) : std::nullopt; }

Tensor contiguous(const Tensor& tensor) { return tensor.defined() ? tensor.contiguous() : tensor; }

// A vector over the channels as the kernels read it.
Tensor wide(const Tensor& vector) { return vector.defined() ? vector.to(torch::kFloat).contiguous() : vector; }

// Sums over blocks of rows → their total, in the type of `like`.
Tensor total(const Tensor& partial, const Tensor& like) {
  return like.defined() ? partial.sum(0).to(like.scalar_type()) : Tensor();
}

void check_channels(const char* name, const Tensor& vector, const Tensor& x) {
  if (!(!vector.defined() || (vector.dim() == 1 && vector.size(0) == x.size(-1))))
    fail(name, " has shape ", vector.defined() ? vector.sizes() : torch::IntArrayRef(), "; [", x.size(-1),
         "] was expected");
}

// What is undefined is left out, as in cpu::AddNorm.
struct Arguments {
  Tensor x, bias, residual, weight, offset;
  double p, eps;
  uint64_t seed;

  const Tensor& like() const { return x.defined() ? x : residual; }

  template <class T>
  cpu::AddNorm<T> problem(const Tensor& wide_bias, const Tensor& wide_weight, const Tensor& wide_offset) const {
    const int64_t channels = like().size(-1);
    return {channels ? like().numel() / channels : 0,
            channels,
            read<T>(x),
            read<T>(residual),
            read<float>(wide_bias),
            x.defined() ? kernel_dropout(p, seed) : cpu::Dropout{},
            read<float>(wide_weight),
            read<float>(wide_offset),
            static_cast<float>(eps)};
  }
};

class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  // (sum, normed): sum only where there is an x, normed only where there is a norm.
  static variable_list forward(AutogradContext* context, const OptionalTensor& x, const OptionalTensor& bias,
                               const OptionalTensor& residual, const OptionalTensor& weight,
                               const OptionalTensor& offset, double p, double eps, int64_t seed, bool keep_sum) {
    const auto value = [](const OptionalTensor& tensor) { return tensor.value_or(Tensor()); };
    const Arguments a{
        contiguous(value(x)),       value(bias), contiguous(value(residual)), value(weight), value(offset), p, eps,
        static_cast<uint64_t>(seed)};
    const bool norm = a.weight.defined();
    const auto rows = a.like().sizes().slice(0, static_cast<size_t>(a.like().dim()) - 1);
    Tensor sum, normed, mean, inverse;
    if (a.x.defined() && (keep_sum || !norm)) sum = torch::empty_like(a.like());
    if (norm) {
      normed = torch::empty_like(a.like());
      mean = torch::empty(rows, torch::kFloat), inverse = torch::empty(rows, torch::kFloat);
    }
    const auto wide_bias = wide(a.bias), wide_weight = wide(a.weight), wide_offset = wide(a.offset);
    with_type(a.like(), [&]<class T>(T) {
      cpu::add_norm<T>(a.problem<T>(wide_bias, wide_weight, wide_offset), write<T>(sum), write<T>(normed),
                       write<float>(mean), write<float>(inverse));
    });
    context->save_for_backward({sum.defined() ? sum : a.residual, a.bias, a.weight, a.offset, mean, inverse});
    context->saved_data["p"] = p;
    context->saved_data["seed"] = seed;
    context->saved_data["x"] = a.x.defined();
    context->saved_data["residual"] = a.residual.defined();
    variable_list outputs;
    for (const auto& tensor : {sum, normed})
      if (tensor.defined()) outputs.push_back(tensor);
    return outputs;
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const auto saved = context->get_saved_variables();
    const bool has_x = context->saved_data["x"].toBool(), norm = saved[2].defined();
    const auto &sum = saved[0], &mean = saved[4], &inverse = saved[5];
    // problem() asks only whether there was an x.
    const Arguments a{has_x ? sum : Tensor(),
                      saved[1],
                      sum,
                      saved[2],
                      saved[3],
                      context->saved_data["p"].toDouble(),
                      0,
                      static_cast<uint64_t>(context->saved_data["seed"].toInt())};
    const auto sum_gradient = has_x ? contiguous(upstream[0]) : Tensor();
    const auto normed_gradient = norm ? contiguous(upstream[has_x ? 1 : 0]) : Tensor();
    if (!sum_gradient.defined() && !normed_gradient.defined()) return variable_list(9);
    const auto residual_gradient = torch::empty_like(sum);
    const auto x_gradient = has_x && a.p > 0 ? torch::empty_like(sum) : Tensor();
    const auto wide_bias = wide(a.bias), wide_weight = wide(a.weight), wide_offset = wide(a.offset);
    Tensor partial;
    with_type(sum, [&]<class T>(T) {
      const auto problem = a.problem<T>(wide_bias, wide_weight, wide_offset);
      partial = torch::empty({cpu::blocks_of(problem.rows), 3, problem.channels}, torch::kFloat);
      cpu::add_norm_backward<T>(
          problem, {read<T>(sum), read<T>(sum_gradient), read<T>(normed_gradient), read<float>(mean),
                    read<float>(inverse), write<T>(residual_gradient), write<T>(x_gradient), write<float>(partial)});
    });
    return {has_x ? (x_gradient.defined() ? x_gradient : residual_gradient) : Tensor(),
            total(partial.select(1, 0), a.bias),
            context->saved_data["residual"].toBool() ? residual_gradient : Tensor(),
            total(partial.select(1, 1), a.weight),
            total(partial.select(1, 2), a.offset),
            {},
            {},
            {},
            {}};
  }
};

variable_list add_norm(const Tensor& x, const Tensor& bias, const Tensor& residual, double p, uint64_t seed,
                       const Norm& norm, bool keep_sum) {
  const auto& like = x.defined() ? x : residual;
  if (!(!x.defined() || !residual.defined() || x.sizes() == residual.sizes()))
    fail("dropout_add: x has shape ", x.sizes(), ", residual has ", residual.sizes(), "; they must agree");
  check_channels("bias", bias, like), check_channels("LayerNorm's weight", norm.weight, like);
  check_channels("LayerNorm's bias", norm.bias, like);
  if (has_kernels(like))
    return AddNorm::apply(optional(x), optional(bias), optional(residual), optional(norm.weight), optional(norm.bias),
                          p, norm.eps, static_cast<int64_t>(seed), keep_sum);
  auto sum = x;
  if (x.defined()) {
    if (bias.defined()) sum = sum + bias;
    if (p > 0) sum = sum * dropout_mask(sum, p, seed);
    if (residual.defined()) sum = sum + residual;
  }
  variable_list results;
  if (sum.defined()) results.push_back(sum);
  if (norm.weight.defined())
    results.push_back(
        torch::layer_norm(x.defined() ? sum : residual, {like.size(-1)}, norm.weight, norm.bias, norm.eps));
  return results;
}

cpu::Activation activation_of(const std::string& name) {
  if (name == "gelu") return cpu::Activation::gelu;
  if (name == "gelu_new") return cpu::Activation::gelu_tanh;
  return cpu::Activation::relu;
}

struct BiasActivation : torch::autograd::Function<BiasActivation> {
  static Tensor forward(AutogradContext* context, const Tensor& x_in, const OptionalTensor& bias, int64_t kind) {
    const auto x = x_in.contiguous(), wide_bias = wide(bias.value_or(Tensor())), out = torch::empty_like(x);
    const int64_t channels = x.size(-1);
    with_type(x, [&]<class T>(T) {
      cpu::activation<T>(static_cast<cpu::Activation>(kind), x.numel() / channels, channels, read<T>(x),
                         read<float>(wide_bias), write<T>(out));
    });
    context->save_for_backward({x, bias.value_or(Tensor())});
    context->saved_data["kind"] = kind;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &bias = saved[1];
    const auto gradient = upstream[0].contiguous(), wide_bias = wide(bias), x_gradient = torch::empty_like(x);
    const int64_t channels = x.size(-1), rows = x.numel() / channels;
    const auto partial = torch::empty({cpu::blocks_of(rows), channels}, torch::kFloat);
    with_type(x, [&]<class T>(T) {
      cpu::activation_backward<T>(static_cast<cpu::Activation>(context->saved_data["kind"].toInt()), rows, channels,
                                  read<T>(x), read<float>(wide_bias), read<T>(gradient), write<T>(x_gradient),
                                  write<float>(partial));
    });
    return {x_gradient, total(partial, bias), {}};
  }
};

}  // namespace

SumAndNorm dropout_add_and_norm(const Tensor& x, const Tensor& bias, const Tensor& residual, double p, uint64_t seed,
                                const Norm& norm) {
  const auto results = add_norm(x, bias, residual, p, seed, norm, /*keep_sum=*/true);
  return {results[0], results[1]};
}

Tensor dropout_add_norm(const Tensor& x, const Tensor& bias, const Tensor& residual, double p, uint64_t seed,
                        const Norm& norm) {
  // The backward pass needs the sum.
  return add_norm(x, bias, residual, p, seed, norm, /*keep_sum=*/at::GradMode::is_enabled()).back();
}

Tensor dropout_add(const Tensor& x, const Tensor& bias, const Tensor& residual, double p, uint64_t seed) {
  return add_norm(x, bias, residual, p, seed, {}, /*keep_sum=*/true)[0];
}

Tensor dropout(const Tensor& x, double p, uint64_t seed) {
  return p == 0 ? x : add_norm(x, {}, {}, p, seed, {}, /*keep_sum=*/true)[0];
}

Tensor layer_norm(const Tensor& x, const Norm& norm) { return add_norm({}, {}, x, 0, 0, norm, /*keep_sum=*/false)[0]; }

Tensor bias_activation(const std::string& name, const Tensor& x, const Tensor& bias) {
  check_channels("bias", bias, x);
  if (has_kernels(x) && x.numel() > 0)
    return BiasActivation::apply(x, optional(bias), static_cast<int64_t>(activation_of(name)));
  const auto sum = bias.defined() ? x + bias : x;
  if (name == "gelu") return torch::gelu(sum);
  if (name == "gelu_new") return torch::gelu(sum, "tanh");
  return torch::relu(sum);
}

}  // namespace saobp::model
