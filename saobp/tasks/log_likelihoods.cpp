#include "saobp/tasks/log_likelihoods.h"

#include <algorithm>

namespace saobp::tasks {
namespace {

// Of a vocabulary's logits so many rows are made at a time.
constexpr int64_t kRowsAtATime = 256;

}  // namespace

std::vector<float> log_likelihoods(const model::Model& model, const std::vector<const Asked*>& rows, int64_t pad_id) {
  std::vector<const pretrained::Row*> pointers;
  pointers.reserve(rows.size());
  for (const auto* asked : rows) pointers.push_back(&asked->row);
  const auto inputs = pretrained::pad(pointers, pad_id);
  const int64_t length = inputs.ids.size(1);
  std::vector<int64_t> places, targets, owners;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t n = 0; n < rows[r]->places.size(); ++n) {
      places.push_back(static_cast<int64_t>(r) * length + rows[r]->places[n]);
      targets.push_back(rows[r]->targets[n]);
      owners.push_back(static_cast<int64_t>(r));
    }
  }
  const auto states = model->hidden_states_at(inputs, torch::tensor(places, torch::kLong));
  std::vector<double> sums(rows.size(), 0.0);
  for (int64_t first = 0; first < states.size(0); first += kRowsAtATime) {
    const int64_t count = std::min(kRowsAtATime, states.size(0) - first);
    const auto logits = model->logits(states.narrow(0, first, count)).to(torch::kFloat);
    const auto wanted = torch::tensor(std::vector<int64_t>(targets.begin() + first, targets.begin() + first + count));
    const auto found = logits.log_softmax(1).gather(1, wanted.unsqueeze(1)).squeeze(1).contiguous();
    for (int64_t n = 0; n < count; ++n)
      sums[static_cast<size_t>(owners[static_cast<size_t>(first + n)])] += found.const_data_ptr<float>()[n];
  }
  return {sums.begin(), sums.end()};
}

}  // namespace saobp::tasks
