#include "saobp/recipes/validation.h"

#include <cmath>

#include "saobp/model/overflow.h"
#include "saobp/recipes/language_model.h"

namespace saobp::recipes {

double ValidationResult::perplexity() const { return std::exp(loss); }

std::optional<ValidationResult> validate(const model::Model& model, const data::ValidationRows& rows, int64_t batch,
                                         const std::function<bool()>& stop, const train::World& world) {
  torch::NoGradGuard no_grad;
  const bool was_training = model->is_training();
  model->eval();
  double sum = 0, predicted = 0;
  std::string not_finite;
  bool stopped = false;
  const auto rows_of = [batch](int64_t batches) { return static_cast<uint64_t>(batch * batches); };
  for (uint64_t first = rows_of(world.rank()); first < rows.rows() && !stopped; first += rows_of(world.size())) {
    stopped = stop && stop();
    const auto part = rows.batch(first, batch);
    if (stopped || part.positions.empty()) continue;
    const auto loss = loss_sum(model, part).item<double>();
    if (!std::isfinite(loss) && not_finite.empty()) not_finite = model::first_not_finite(*model, inputs_of(part));
    sum += loss;
    predicted += static_cast<double>(part.positions.size());
  }
  model->train(was_training);
  const auto sums = world.sum({sum, predicted, stopped ? 1.0 : 0.0});
  if (sums[2] > 0) return std::nullopt;
  if (sums[1] == 0) fail("the validation text has no token that could be predicted");
  return ValidationResult{sums[0] / sums[1], static_cast<int64_t>(sums[1]), not_finite};
}

std::optional<analysis::MonitoredAttention> look_at_attention(const model::Model& model, const model::Inputs& inputs,
                                                              const analysis::MonitorOptions& options,
                                                              const std::function<bool()>& stop) {
  const bool was_training = model->is_training();
  model->eval();
  auto seen = analysis::monitor_attention(
      options, {}, [&](const model::AttentionProbe& probe) { model->hidden_states(inputs, probe); }, stop);
  model->train(was_training);
  return seen;
}

}  // namespace saobp::recipes
