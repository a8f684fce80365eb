#include "saobp/train/regularizers.h"

#include <utility>
#include <vector>

#include "saobp/train/entropy_penalty.h"

namespace saobp::train {
namespace {

// tr W/n, [layers, heads].
torch::Tensor spectrum_means(const model::Model& model) {
  std::vector<torch::Tensor> layers;
  for (const auto& layer : model->layers)
    layers.push_back(query_key_spectrum(layer->weight(model::kQkv), model->config.num_attention_heads).trace);
  return torch::stack(layers) / static_cast<double>(model->config.hidden_size);
}

}  // namespace

QueryKeySpectrum query_key_spectrum(const torch::Tensor& qkv_weight, int64_t heads) {
  // Rows of a head are W_Qᵀ and W_Kᵀ, [d, n], so that W = rows_Qᵀ · rows_K.
  const auto parts = qkv_weight.view({3, heads, -1, qkv_weight.size(1)});
  const auto query = parts[0], key = parts[1];
  const auto gram = [](const torch::Tensor& rows) { return torch::bmm(rows, rows.transpose(1, 2)); };
  return {(gram(query) * gram(key)).sum({1, 2}), (query * key).sum({1, 2})};
}

RegularizersImpl::RegularizersImpl(const RegularizerOptions& options, const model::Model& model) : options_(options) {
  const auto& c = model->config;
  const int64_t matrices = c.num_hidden_layers * c.num_attention_heads;
  rows_scale_ = options.entropy_reg / static_cast<double>(matrices);
  if (options.entropy_reg > 0)
    thresholds_ = register_parameter("entropy_thresholds", torch::full({matrices}, 0.5, torch::kFloat));
  if (options.eigen_reg > 0) {
    torch::NoGradGuard no_grad;
    means_ = register_buffer("eigen_means", spectrum_means(model));
  }
}

void RegularizersImpl::begin(const model::Model& model) {
  torch::NoGradGuard no_grad;
  if (options_.eigen_reg > 0) means_.copy_(spectrum_means(model));
}

model::AttentionProbe RegularizersImpl::probe() {
  if (options_.entropy_reg == 0) return {};
  collected_.reset();
  return [this](const model::AttentionCall& call) {
    const int64_t heads = call.query.size(1);
    const auto term =
        entropy_penalty(call.query, call.key, thresholds_.slice(0, call.layer * heads, (call.layer + 1) * heads),
                        call.options.key_mask, call.options.causal, options_.entropy_reg_tolerance);
    collected_ = collected_.defined() ? collected_ + term : term;
  };
}

torch::Tensor RegularizersImpl::entropy_term() {
  auto sum = std::exchange(collected_, {});
  return sum.defined() ? sum * rows_scale_ : sum;
}

torch::Tensor RegularizersImpl::eigen_term(const model::Model& model) const {
  if (options_.eigen_reg == 0) return {};
  const auto n = static_cast<double>(model->config.hidden_size);
  torch::Tensor sum;
  for (size_t i = 0; i < model->layers.size(); ++i) {
    const auto [squared_norm, trace] =
        query_key_spectrum(model->layers[i]->weight(model::kQkv), model->config.num_attention_heads);
    const auto moved = trace / n - means_[static_cast<int64_t>(i)];
    const auto term = (options_.eigen_reg / n * squared_norm + options_.eigen_reg_mean * moved.square()).sum();
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

Regularizers add_regularizers(const RegularizerOptions& options, const model::Model& model) {
  if (options.entropy_reg == 0 && options.eigen_reg == 0) return nullptr;
  return model->register_module("regularizers", Regularizers(options, model));
}

}  // namespace saobp::train
