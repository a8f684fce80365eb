#include "saobp/recipes/task_batches.h"

#include <algorithm>

#include "saobp/data/random.h"

namespace saobp::recipes {

TaskBatches::TaskBatches(model::Model model, const tasks::Objective& objective, std::vector<int64_t> items,
                         const BatchShape& shape, const train::World& world)
    : model_(std::move(model)), objective_(objective), items_(std::move(items)), shape_(shape), world_(world) {}

int64_t TaskBatches::steps_an_epoch() const {
  return (static_cast<int64_t>(items_.size()) + items_a_step() - 1) / items_a_step();
}

double TaskBatches::units_a_step() const {
  return static_cast<double>(items_.size()) / static_cast<double>(steps_an_epoch());
}

void TaskBatches::make_order(uint64_t epoch) {
  if (epoch_ == epoch) return;
  const auto places = data::random_permutation(static_cast<uint32_t>(items_.size()),
                                               data::Random(shape_.seed, data::Purpose::example_order, epoch));
  order_.clear();
  for (uint32_t place : places) order_.push_back(items_[place]);
  epoch_ = epoch;
  if (!shape_.group_by_length) return;
  constexpr int64_t kSteps = 64;
  const auto whole = static_cast<int64_t>(order_.size()), step = items_a_step();
  for (int64_t first = 0; first < whole; first += kSteps * step)
    std::stable_sort(order_.begin() + first, order_.begin() + std::min(whole, first + kSteps * step),
                     [&](int64_t a, int64_t b) { return objective_.length(a) > objective_.length(b); });
  // The whole steps in random order; what is left over stays at the end.
  const auto steps = static_cast<uint32_t>(whole / step);
  const auto sorted = order_;
  const auto shuffled = data::random_permutation(steps, data::Random(shape_.seed, data::Purpose::step_order, epoch));
  for (uint32_t n = 0; n < steps; ++n)
    std::copy_n(sorted.begin() + static_cast<int64_t>(shuffled[n]) * step, step, order_.begin() + n * step);
}

std::vector<train::Pass> TaskBatches::next(bool /*more*/) {
  const auto size = static_cast<uint64_t>(items_.size());
  make_order(position_ / size);
  const auto first = static_cast<int64_t>(position_ % size);
  const auto last = std::min(static_cast<int64_t>(size), first + items_a_step());
  position_ += static_cast<uint64_t>(last - first);
  // Passes of all ranks, one after the other; a short step has as many, the last ones shorter or empty.
  std::vector<train::Pass> passes;
  for (int64_t n = 0; n < shape_.accumulation; ++n) {
    const int64_t begin = std::min(last, first + (n * world_.size() + world_.rank()) * shape_.batch);
    const std::vector<int64_t> items(order_.begin() + begin, order_.begin() + std::min(last, begin + shape_.batch));
    if (items.empty() && world_.size() == 1) break;
    passes.push_back({static_cast<double>(items.size()), [this, items](const std::function<double()>& scale) {
                        // A rank without examples still takes part: its gradients are 0.
                        const auto seen = items.empty() ? std::vector<int64_t>{items_.front()} : items;
                        return train::PassLoss{
                            objective_.loss_sum(model_, seen, items.empty() ? 0.0 * scale() : scale())};
                      }});
  }
  return passes;
}

}  // namespace saobp::recipes
