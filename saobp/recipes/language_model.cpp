#include "saobp/recipes/language_model.h"

#include "saobp/train/linear_cross_entropy.h"

namespace saobp::recipes {
namespace {

torch::Tensor as_tensor(const std::vector<int64_t>& values, torch::IntArrayRef shape) {
  return torch::from_blob(const_cast<int64_t*>(values.data()), shape, torch::kInt64);
}

// The head's input at the positions that the batch predicts, [predictions, C].
torch::Tensor predicted_states(const model::Model& model, const data::Batch& batch,
                               const model::AttentionProbe& probe) {
  auto hidden = model->hidden_states(inputs_of(batch), probe);
  hidden = hidden.reshape({-1, hidden.size(-1)});
  const auto predicted = static_cast<int64_t>(batch.positions.size());
  if (predicted < hidden.size(0)) hidden = hidden.index_select(0, as_tensor(batch.positions, {predicted}));
  return model->language_head().states(hidden);
}

torch::Tensor loss_of(const model::Model& model, const torch::Tensor& states, const data::Batch& batch, double scale) {
  const auto [weight, bias] = model->language_head().projection();
  return train::linear_cross_entropy(states, weight, bias, as_tensor(batch.targets, {states.size(0)}), scale);
}

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

model::Inputs inputs_of(const data::Batch& batch) {
  model::Inputs inputs(as_tensor(batch.input_ids, {batch.rows, batch.length}));
  if (batch.padded)
    inputs.attention_mask =
        torch::from_blob(const_cast<uint8_t*>(batch.attention_mask.data()), {batch.rows, batch.length}, torch::kUInt8)
            .to(torch::kBool);
  return inputs;
}

torch::Tensor loss_sum(const model::Model& model, const data::Batch& batch, double scale,
                       const model::AttentionProbe& probe) {
  return loss_of(model, predicted_states(model, batch, probe), batch, scale);
}

std::vector<train::Pass> passes_of(const model::Model& model, std::span<const data::Batch> batches,
                                   train::Regularizers regularizers, bool first_rank) {
  std::vector<train::Pass> passes;
  for (size_t i = 0; i < batches.size(); ++i) {
    const auto& batch = batches[i];
    const bool weights_due = first_rank && i == 0;
    passes.push_back({static_cast<double>(batch.positions.size()),
                      [model, &batch, regularizers, weights_due](const std::function<double()>& scale) mutable {
                        const auto probe = regularizers ? regularizers->probe() : model::AttentionProbe();
                        const auto states = predicted_states(model, batch, probe);
                        train::PassLoss made{loss_of(model, states, batch, scale())};
                        if (regularizers && regularizers->has_entropy_term())
                          made.terms.emplace_back("entropy_reg", regularizers->entropy_term());
                        if (regularizers && regularizers->has_eigen_term())
                          made.terms.emplace_back("eigen_reg",
                                                  weights_due ? regularizers->eigen_term(model) : torch::Tensor());
                        return made;
                      }});
  }
  return passes;
}

}  // namespace saobp::recipes
