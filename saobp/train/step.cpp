#include "saobp/train/step.h"

#include <cmath>
#include <utility>

#include "saobp/model/dropout.h"
#include "saobp/train/linear_cross_entropy.h"

namespace saobp::train {
namespace {

torch::Tensor as_tensor(const std::vector<int64_t>& values, torch::IntArrayRef shape) {
  return torch::from_blob(const_cast<int64_t*>(values.data()), shape, torch::kInt64);
}

// The head's input at the positions that the batch predicts, [predictions, C].
torch::Tensor predicted_states(const model::Model& model, const data::Batch& batch,
                               const model::AttentionProbe& probe) {
  torch::Tensor attention_mask;
  if (batch.padded)
    attention_mask =
        torch::from_blob(const_cast<uint8_t*>(batch.attention_mask.data()), {batch.rows, batch.length}, torch::kUInt8)
            .to(torch::kBool);
  auto hidden = model->hidden_states({as_tensor(batch.input_ids, {batch.rows, batch.length}), attention_mask}, probe);
  hidden = hidden.reshape({-1, hidden.size(-1)});
  const auto predicted = static_cast<int64_t>(batch.positions.size());
  if (predicted < hidden.size(0)) hidden = hidden.index_select(0, as_tensor(batch.positions, {predicted}));
  return model->language_head().states(hidden);
}

torch::Tensor loss_of(const model::Model& model, const torch::Tensor& states, const data::Batch& batch, double scale) {
  const auto [weight, bias] = model->language_head().projection();
  return linear_cross_entropy(states, weight, bias, as_tensor(batch.targets, {states.size(0)}), scale);
}

// What the regularisers add to the loss of a step, by this rank.
class Terms {
 public:
  Terms(Regularizers regularizers, const model::Model& model, bool first_rank)
      : regularizers_(std::move(regularizers)), model_(model), weights_due_(first_rank) {}

  model::AttentionProbe probe() { return regularizers_ ? regularizers_->probe() : model::AttentionProbe(); }

  // The loss of a pass with the terms of its rows, and in the first one of the first rank with those of the weights.
  torch::Tensor with(torch::Tensor loss) {
    if (!regularizers_) return loss;
    const auto add = [&](const torch::Tensor& term, double& sum) {
      if (!term.defined()) return;
      sum += term.item<double>();
      loss = loss + term;
    };
    add(regularizers_->entropy_term(), entropy);
    if (std::exchange(weights_due_, false)) add(regularizers_->eigen_term(model_), eigen);
    return loss;
  }

  double entropy = 0, eigen = 0;

 private:
  Regularizers regularizers_;
  const model::Model& model_;
  bool weights_due_;
};

}  // namespace

io::Json to_json(std::span<const data::Batch> batches) {
  auto json = io::Json::array();
  for (const auto& batch : batches) {
    json.push_back({{"rows", batch.rows},
                    {"length", batch.length},
                    {"input_ids", batch.input_ids},
                    {"attention_mask", nullptr},
                    {"positions", batch.positions},
                    {"targets", batch.targets}});
    if (batch.padded) json.back()["attention_mask"] = batch.attention_mask;
  }
  return json;
}

torch::Tensor loss_sum(const model::Model& model, const data::Batch& batch, double scale,
                       const model::AttentionProbe& probe) {
  return loss_of(model, predicted_states(model, batch, probe), batch, scale);
}

StepResult train_step(const model::Model& model, AdamW& optimizer, std::span<const data::Batch> batches,
                      double learning_rate, uint64_t seed, int64_t step, Regularizers regularizers) {
  const World alone;
  GradientReducer reducer(alone, {}, 0);
  return train_step(model, optimizer, batches, learning_rate, seed, step, reducer, std::move(regularizers));
}

StepResult train_step(const model::Model& model, AdamW& optimizer, std::span<const data::Batch> batches,
                      double learning_rate, uint64_t seed, int64_t step, GradientReducer& ranks,
                      Regularizers regularizers, const std::function<bool()>& stop) {
  const World& world = ranks.world();
  double predicted = 0;
  for (const auto& batch : batches) predicted += static_cast<double>(batch.positions.size());
  // The ranks exchange numbers while the model works: their counts during the first forward, their losses during the
  // last backward.
  const auto predicted_by_all = world.start_sum(std::vector{predicted});
  std::function<std::vector<double>()> sums;
  double scale = 0;
  StepResult result;
  const bool entropy_reg = regularizers && regularizers->has_entropy_term(),
             eigen_reg = regularizers && regularizers->has_eigen_term();
  Terms terms(std::move(regularizers), model, world.is_first());
  model->iterate_sigma();
  for (size_t i = 0; i < batches.size(); ++i) {
    if (i > 0 && world.size() == 1 && stop && stop()) {
      model->zero_grad();
      result.stop = result.abandoned = true;
      return result;
    }
    const auto place = static_cast<uint64_t>(static_cast<int64_t>(i) * world.size() + world.rank());
    model->dropout_seed = model::derive_seed(model::derive_seed(seed, static_cast<uint64_t>(step)), place);
    const auto states = predicted_states(model, batches[i], terms.probe());
    if (i == 0) scale = 1.0 / predicted_by_all()[0];
    auto loss = loss_of(model, states, batches[i], scale);
    result.loss += loss.item<double>();
    loss = terms.with(loss);
    const bool last = i + 1 == batches.size();
    if (last) sums = world.start_sum(std::vector{result.loss, stop && stop() ? 1.0 : 0.0, terms.entropy, terms.eigen});
    ranks.backward(loss, last);
  }
  const auto agreed = sums();
  result.loss = agreed[0], result.stop = agreed[1] > 0;
  if (entropy_reg) result.terms["entropy_reg"] = agreed[2];
  if (eigen_reg) result.terms["eigen_reg"] = agreed[3];
  if (!std::isfinite(result.loss)) {
    model->zero_grad();
    return result;
  }
  result.gradient_norm = optimizer.update(learning_rate);
  model->clamp_strengths();
  return result;
}

}  // namespace saobp::train
