#include "saobp/train/validation.h"

#include <cmath>

#include "saobp/train/step.h"

namespace saobp::train {

double ValidationResult::perplexity() const { return std::exp(loss); }

std::optional<ValidationResult> validate(const model::LanguageModel& model, const data::ValidationRows& rows,
                                         int64_t batch, const std::function<bool()>& stop) {
  torch::NoGradGuard no_grad;
  const bool was_training = model->is_training();
  model->eval();
  double sum = 0;
  ValidationResult result;
  bool stopped = false;
  for (uint64_t first = 0; first < rows.rows() && !stopped; first += static_cast<uint64_t>(batch)) {
    stopped = stop && stop();
    const auto part = rows.batch(first, batch);
    if (stopped || part.positions.empty()) continue;
    sum += loss_sum(model, part).item<double>();
    result.predicted += static_cast<int64_t>(part.positions.size());
  }
  model->train(was_training);
  if (stopped) return std::nullopt;
  if (result.predicted == 0) fail("the validation text has no token that could be predicted");
  result.loss = sum / static_cast<double>(result.predicted);
  return result;
}

analysis::MonitoredAttention look_at_attention(const model::LanguageModel& model, const data::ValidationRows& rows,
                                               const analysis::MonitorOptions& options) {
  const bool was_training = model->is_training();
  model->eval();
  const auto batch = rows.batch(0, options.monitor_rows);
  const auto ids = torch::tensor(batch.input_ids).reshape({batch.rows, batch.length});
  torch::Tensor mask;
  if (batch.padded)
    mask = torch::tensor(std::vector<int64_t>(batch.attention_mask.begin(), batch.attention_mask.end()))
               .reshape({batch.rows, batch.length})
               .to(torch::kBool);
  auto seen = analysis::monitor_attention(
      options, {}, [&](const model::AttentionProbe& probe) { model->hidden_states(ids, mask, probe); });
  model->train(was_training);
  return seen;
}

}  // namespace saobp::train
