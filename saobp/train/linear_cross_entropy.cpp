#include "saobp/train/linear_cross_entropy.h"

#include <algorithm>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/model/matmul.h"
#include "saobp/train/cross_entropy_rows.h"

namespace saobp::train {
namespace {

constexpr int64_t kChunkBytes = int64_t{1} << 25;  // of logits that exist at a time

// Makes the loss and the gradients of all rows, chunk by chunk. Products are in the type of `hidden`; weight and bias
// have their gradients in types of their own.
class Chunks {
 public:
  Chunks(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& bias,
         const torch::Tensor& targets, double scale, bool gradient)
      : hidden_(hidden),
        weight_(weight.to(hidden.scalar_type())),
        bias_(bias.defined() ? bias.to(sum_type()) : bias),
        targets_(targets),
        scale_(scale),
        gradient_(gradient) {
    if (!gradient) return;
    hidden_gradient = torch::empty_like(hidden_);
    weight_gradient = hidden.size(0) > 0 ? torch::empty_like(weight) : torch::zeros_like(weight);
    if (bias.defined()) bias_gradient = torch::zeros_like(bias);
  }

  void run() {
    const int64_t rows = hidden_.size(0), vocabulary = weight_.size(0);
    const int64_t elements = kChunkBytes / hidden_.element_size();
    const int64_t chunks = std::max<int64_t>(1, (rows * model::aligned_stride(vocabulary) + elements - 1) / elements);
    const int64_t chunk = (rows + chunks - 1) / chunks;
    const auto buffer = model::aligned_rows(chunk, vocabulary, hidden_.options());
    for (int64_t begin = 0; begin < rows; begin += chunk) {
      const int64_t count = std::min(chunk, rows - begin);
      one_chunk(begin, count, buffer.narrow(0, 0, count));
    }
  }

  // Of the loss: float where products are bfloat16.
  torch::ScalarType sum_type() const {
    return hidden_.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
  }

  double loss = 0;
  torch::Tensor hidden_gradient, weight_gradient, bias_gradient;

 private:
  void one_chunk(int64_t begin, int64_t count, torch::Tensor logits) {
    const auto hidden = hidden_.narrow(0, begin, count);
    model::matmul_into(logits, hidden, weight_.t());
    turn_into_gradient(logits, targets_.narrow(0, begin, count));
    if (!gradient_) return;
    model::matmul_into(hidden_gradient.narrow(0, begin, count), logits, weight_);
    add_to_weight_gradient(logits, hidden, /*first=*/begin == 0);
  }

  void add_to_weight_gradient(const torch::Tensor& logits, const torch::Tensor& hidden, bool first) {
    if (weight_gradient.scalar_type() == weight_.scalar_type())
      return model::matmul_into(weight_gradient, logits.t(), hidden, !first);
    const auto part = torch::empty_like(weight_);
    model::matmul_into(part, logits.t(), hidden);
    first ? weight_gradient.copy_(part) : weight_gradient.add_(part);
  }

  // logits, still without the bias → ∂loss/∂logits, if wanted; adds to the loss and to the bias's gradient.
  void turn_into_gradient(torch::Tensor& logits, const torch::Tensor& targets) {
    if (logits.is_cpu() && logits.scalar_type() == torch::kFloat) return by_rows<float>(logits, targets);
    if (logits.is_cpu() && logits.scalar_type() == torch::kBFloat16) return by_rows<c10::BFloat16>(logits, targets);
    const auto biased = bias_.defined() ? logits.to(sum_type()) + bias_ : logits.to(sum_type());
    const auto log_probabilities = torch::log_softmax(biased, 1), chosen = targets.unsqueeze(1);
    loss -= scale_ * log_probabilities.gather(1, chosen).sum().item<double>();
    if (!gradient_) return;
    auto gradient = log_probabilities.exp();
    gradient.scatter_add_(1, chosen, torch::full_like(chosen, -1, gradient.scalar_type()));
    logits.copy_(gradient.mul_(scale_));
    if (bias_.defined()) bias_gradient.add_(gradient.sum(0));
  }

  template <class T>
  void by_rows(torch::Tensor& logits, const torch::Tensor& targets) {
    std::vector<double> losses(static_cast<size_t>(logits.size(0)));
    torch::Tensor bias_partial;
    if (gradient_ && bias_.defined())
      bias_partial = torch::empty({row_blocks(logits.size(0)), logits.size(1)}, bias_.options());
    cross_entropy_rows(logits.mutable_data_ptr<T>(), bias_.defined() ? bias_.const_data_ptr<float>() : nullptr,
                       logits.size(0), logits.size(1), logits.stride(0), targets.const_data_ptr<int64_t>(), gradient_,
                       static_cast<float>(scale_), losses.data(),
                       bias_partial.defined() ? bias_partial.mutable_data_ptr<float>() : nullptr);
    for (const double row : losses) loss += scale_ * row;
    if (bias_partial.defined()) bias_gradient.add_(bias_partial.sum(0));
  }

  const torch::Tensor hidden_, weight_, bias_, targets_;
  const double scale_;
  const bool gradient_;
};

struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& hidden,
                               const torch::Tensor& weight, const std::optional<torch::Tensor>& bias,
                               const torch::Tensor& targets, double scale, bool gradient) {
    Chunks chunks(hidden.contiguous(), weight, bias.value_or(torch::Tensor()), targets.contiguous(), scale, gradient);
    chunks.run();
    if (gradient) {
      context->saved_data["hidden"] = chunks.hidden_gradient;
      context->saved_data["weight"] = chunks.weight_gradient;
      if (bias) context->saved_data["bias"] = chunks.bias_gradient;
    }
    return torch::full({}, chunks.loss, hidden.options().dtype(chunks.sum_type()));
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list upstream) {
    // Usually 1: the scale is in the gradients already.
    const double factor = upstream[0].item<double>();
    // Nothing else may hold a gradient: then autograd adds others to it (those of tied embeddings) in place.
    const auto scaled = [&](const char* name) {
      const auto found = context->saved_data.find(name);
      if (found == context->saved_data.end()) return torch::Tensor();
      auto gradient = std::move(found->second).toTensor();
      context->saved_data.erase(found);
      return factor == 1 ? gradient : gradient * factor;
    };
    if (context->saved_data.count("hidden") == 0) fail("linear_cross_entropy: its gradients were taken already");
    return {scaled("hidden"), scaled("weight"), scaled("bias"), {}, {}, {}};
  }
};

}  // namespace

torch::Tensor linear_cross_entropy(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& bias,
                                   const torch::Tensor& targets, double scale) {
  if (!(hidden.dim() == 2 && weight.dim() == 2 && hidden.size(1) == weight.size(1)))
    fail("linear_cross_entropy: hidden has shape ", hidden.sizes(), " and weight ", weight.sizes(),
         "; [N, C] and [V, C] were expected");
  if (!(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0))))
    fail("linear_cross_entropy: bias has shape ", bias.sizes(), "; [", weight.size(0), "] was expected");
  if (!(targets.dim() == 1 && targets.size(0) == hidden.size(0) && targets.scalar_type() == torch::kLong))
    fail("linear_cross_entropy: targets have shape ", targets.sizes(), "; [", hidden.size(0),
         "] of int64 was expected");
  if (targets.numel() > 0) {
    const auto [lowest, highest] = torch::aminmax(targets);
    if (!(lowest.item<int64_t>() >= 0 && highest.item<int64_t>() < weight.size(0)))
      fail("linear_cross_entropy: targets run from ", lowest.item<int64_t>(), " to ", highest.item<int64_t>(),
           "; the vocabulary has ", weight.size(0));
  }
  const bool gradient = at::GradMode::is_enabled() &&
                        (hidden.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  return LinearCrossEntropy::apply(hidden, weight, bias.defined() ? std::optional(bias) : std::nullopt, targets, scale,
                                   gradient);
}

}  // namespace saobp::train
