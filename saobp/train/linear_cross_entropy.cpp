#include "saobp/train/linear_cross_entropy.h"

#include <algorithm>
#include <vector>

#include "saobp/train/cross_entropy_rows.h"

namespace saobp::train {
namespace {

constexpr int64_t kChunkElements = int64_t{1} << 23;  // of logits that exist at a time: 32 MB

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// Makes the loss and the gradients of all rows, chunk by chunk.
class Chunks {
 public:
  Chunks(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& bias,
         const torch::Tensor& targets, double scale, bool gradient)
      : hidden_(hidden), weight_(weight), bias_(bias), targets_(targets), scale_(scale), gradient_(gradient) {}

  void run() {
    const int64_t rows = hidden_.size(0), vocabulary = weight_.size(0);
    // Logits lie in rows that begin on cache lines, whatever the vocabulary's size.
    const int64_t stride = round_up(vocabulary, 16);
    const int64_t chunks = std::max<int64_t>(1, (rows * stride + kChunkElements - 1) / kChunkElements);
    const int64_t chunk = (rows + chunks - 1) / chunks;
    const auto buffer = torch::empty({chunk, stride}, weight_.options());
    if (gradient_) {
      hidden_gradient = torch::empty_like(hidden_);
      weight_gradient = rows > 0 ? torch::empty_like(weight_) : torch::zeros_like(weight_);
      if (bias_.defined()) bias_gradient = torch::zeros_like(bias_);
    }
    for (int64_t begin = 0; begin < rows; begin += chunk) {
      const int64_t count = std::min(chunk, rows - begin);
      one_chunk(begin, count, buffer.narrow(0, 0, count).narrow(1, 0, vocabulary));
    }
  }

  double loss = 0;
  torch::Tensor hidden_gradient, weight_gradient, bias_gradient;

 private:
  void one_chunk(int64_t begin, int64_t count, torch::Tensor logits) {
    const auto hidden = hidden_.narrow(0, begin, count);
    if (bias_.defined()) {
      at::addmm_out(logits, bias_, hidden, weight_.t());
    } else {
      at::mm_out(logits, hidden, weight_.t());
    }
    turn_into_gradient(logits, targets_.narrow(0, begin, count));
    if (!gradient_) return;
    auto rows = hidden_gradient.narrow(0, begin, count);
    at::mm_out(rows, logits, weight_);
    if (begin == 0) {
      at::mm_out(weight_gradient, logits.t(), hidden);
    } else {
      weight_gradient.addmm_(logits.t(), hidden);
    }
    if (bias_.defined()) bias_gradient.add_(logits.sum(0));
  }

  // logits → ∂loss/∂logits, if wanted; adds to the loss.
  void turn_into_gradient(torch::Tensor& logits, const torch::Tensor& targets) {
    if (logits.scalar_type() == torch::kFloat && logits.is_cpu()) {
      std::vector<double> losses(static_cast<size_t>(logits.size(0)));
      cross_entropy_rows(logits.mutable_data_ptr<float>(), logits.size(0), logits.size(1), logits.stride(0),
                         targets.const_data_ptr<int64_t>(), gradient_, static_cast<float>(scale_), losses.data());
      for (const double row : losses) loss += scale_ * row;
      return;
    }
    const auto log_probabilities = torch::log_softmax(logits, 1), chosen = targets.unsqueeze(1);
    loss -= scale_ * log_probabilities.gather(1, chosen).sum().item<double>();
    if (!gradient_) return;
    logits.copy_(log_probabilities.exp());
    logits.scatter_add_(1, chosen, torch::full_like(chosen, -1, logits.scalar_type()));
    logits.mul_(scale_);
  }

  const torch::Tensor hidden_, weight_, bias_, targets_;
  const double scale_;
  const bool gradient_;
};

torch::Tensor widened(const torch::Tensor& t) {
  return !t.defined() || t.scalar_type() == torch::kDouble ? t : t.to(torch::kFloat);
}

struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& hidden,
                               const torch::Tensor& weight, const std::optional<torch::Tensor>& bias,
                               const torch::Tensor& targets, double scale, bool gradient) {
    Chunks chunks(widened(hidden).contiguous(), widened(weight), widened(bias.value_or(torch::Tensor())),
                  targets.contiguous(), scale, gradient);
    chunks.run();
    if (gradient) {
      context->saved_data["hidden"] = chunks.hidden_gradient.to(hidden.scalar_type());
      context->saved_data["weight"] = chunks.weight_gradient.to(weight.scalar_type());
      if (bias) context->saved_data["bias"] = chunks.bias_gradient.to(bias->scalar_type());
    }
    return torch::full({}, chunks.loss, widened(hidden).options());
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list upstream) {
    // Usually 1: the scale is in the gradients already.
    const double factor = upstream[0].item<double>();
    const auto scaled = [&](const char* name) {
      const auto found = context->saved_data.find(name);
      if (found == context->saved_data.end()) return torch::Tensor();
      const auto gradient = found->second.toTensor();
      return factor == 1 ? gradient : gradient * factor;
    };
    return {scaled("hidden"), scaled("weight"), scaled("bias"), {}, {}, {}};
  }
};

}  // namespace

torch::Tensor linear_cross_entropy(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& bias,
                                   const torch::Tensor& targets, double scale) {
  TORCH_CHECK(hidden.dim() == 2 && weight.dim() == 2 && hidden.size(1) == weight.size(1),
              "linear_cross_entropy: hidden has shape ", hidden.sizes(), " and weight ", weight.sizes(),
              "; [N, C] and [V, C] were expected");
  TORCH_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)),
              "linear_cross_entropy: bias has shape ", bias.sizes(), "; [", weight.size(0), "] was expected");
  TORCH_CHECK(targets.dim() == 1 && targets.size(0) == hidden.size(0) && targets.scalar_type() == torch::kLong,
              "linear_cross_entropy: targets have shape ", targets.sizes(), "; [", hidden.size(0),
              "] of int64 was expected");
  if (targets.numel() > 0) {
    const auto [lowest, highest] = torch::aminmax(targets);
    TORCH_CHECK(lowest.item<int64_t>() >= 0 && highest.item<int64_t>() < weight.size(0),
                "linear_cross_entropy: targets run from ", lowest.item<int64_t>(), " to ", highest.item<int64_t>(),
                "; the vocabulary has ", weight.size(0));
  }
  const bool gradient = at::GradMode::is_enabled() &&
                        (hidden.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  return LinearCrossEntropy::apply(hidden, weight, bias.defined() ? std::optional(bias) : std::nullopt, targets, scale,
                                   gradient);
}

}  // namespace saobp::train
