#include "saobp/train/step.h"

#include <cmath>

#include "saobp/model/dropout.h"
#include "saobp/train/linear_cross_entropy.h"

namespace saobp::train {
namespace {

torch::Tensor as_tensor(const std::vector<int64_t>& values, torch::IntArrayRef shape) {
  return torch::from_blob(const_cast<int64_t*>(values.data()), shape, torch::kInt64);
}

// The loss of a pass with the regularisers' terms: those of its rows, and in the step's first pass those of the
// weights.
torch::Tensor with_terms(torch::Tensor loss, Regularizers& regularizers, const model::LanguageModel& model, bool first,
                         StepResult& result) {
  const auto add = [&](const char* name, const torch::Tensor& term) {
    if (!term.defined()) return;
    result.terms[name] = result.terms.value(name, 0.0) + term.item<double>();
    loss = loss + term;
  };
  add("entropy_reg", regularizers->entropy_term());
  if (first) add("eigen_reg", regularizers->eigen_term(model));
  return loss;
}

}  // namespace

torch::Tensor loss_sum(const model::LanguageModel& model, const data::Batch& batch, double scale,
                       const model::AttentionProbe& probe) {
  torch::Tensor attention_mask;
  if (batch.padded)
    attention_mask =
        torch::from_blob(const_cast<uint8_t*>(batch.attention_mask.data()), {batch.rows, batch.length}, torch::kUInt8)
            .to(torch::kBool);
  auto hidden = model->hidden_states(as_tensor(batch.input_ids, {batch.rows, batch.length}), attention_mask, probe);
  hidden = hidden.reshape({-1, hidden.size(-1)});
  const auto predicted = static_cast<int64_t>(batch.positions.size());
  if (predicted < hidden.size(0)) hidden = hidden.index_select(0, as_tensor(batch.positions, {predicted}));
  const auto [weight, bias] = model->projection();
  return linear_cross_entropy(model->head_states(hidden), weight, bias, as_tensor(batch.targets, {predicted}), scale);
}

StepResult train_step(const model::LanguageModel& model, AdamW& optimizer, std::span<const data::Batch> batches,
                      double learning_rate, uint64_t seed, int64_t step, Regularizers regularizers) {
  size_t predicted = 0;
  for (const auto& batch : batches) predicted += batch.positions.size();
  StepResult result;
  model->iterate_sigma();
  for (size_t i = 0; i < batches.size(); ++i) {
    model->dropout_seed = model::derive_seed(model::derive_seed(seed, static_cast<uint64_t>(step)), i);
    auto loss = loss_sum(model, batches[i], 1.0 / static_cast<double>(predicted),
                         regularizers ? regularizers->probe() : model::AttentionProbe());
    result.loss += loss.item<double>();
    if (regularizers) loss = with_terms(loss, regularizers, model, /*first=*/i == 0, result);
    loss.backward();
  }
  if (!std::isfinite(result.loss)) {
    model->zero_grad();
    return result;
  }
  result.gradient_norm = optimizer.update(learning_rate);
  model->clamp_strengths();
  return result;
}

}  // namespace saobp::train
