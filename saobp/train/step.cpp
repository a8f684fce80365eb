#include "saobp/train/step.h"

#include <cmath>

#include "saobp/model/dropout.h"

namespace saobp::train {
namespace {

torch::Tensor as_tensor(const std::vector<int64_t>& values, torch::IntArrayRef shape) {
  return torch::from_blob(const_cast<int64_t*>(values.data()), shape, torch::kInt64);
}

}  // namespace

torch::Tensor masked_loss_sum(model::Bert& model, const data::MaskedBatch& batch) {
  torch::Tensor attention_mask;
  if (batch.padded)
    attention_mask =
        torch::from_blob(const_cast<uint8_t*>(batch.attention_mask.data()), {batch.rows, batch.length}, torch::kUInt8)
            .to(torch::kBool);
  auto hidden = model->encode(as_tensor(batch.input_ids, {batch.rows, batch.length}), attention_mask);
  const auto masked = static_cast<int64_t>(batch.positions.size());
  auto rows = hidden.reshape({-1, hidden.size(-1)}).index_select(0, as_tensor(batch.positions, {masked}));
  return torch::cross_entropy_loss(model->mlm_logits(rows), as_tensor(batch.targets, {masked}), {}, at::Reduction::Sum);
}

StepResult train_step(model::Bert& model, AdamW& optimizer, std::span<const data::MaskedBatch> batches,
                      double learning_rate, uint64_t seed, int64_t step) {
  size_t masked = 0;
  for (const auto& batch : batches) masked += batch.positions.size();
  StepResult result;
  for (size_t i = 0; i < batches.size(); ++i) {
    model->dropout_seed = model::derive_seed(model::derive_seed(seed, static_cast<uint64_t>(step)), i);
    auto loss = masked_loss_sum(model, batches[i]) / static_cast<double>(masked);
    loss.backward();
    result.loss += loss.item<double>();
  }
  if (!std::isfinite(result.loss)) {
    model->zero_grad();
    return result;
  }
  result.gradient_norm = optimizer.update(learning_rate);
  return result;
}

}  // namespace saobp::train
