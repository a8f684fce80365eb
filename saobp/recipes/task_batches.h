// The batches of a task's examples, epoch by epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "saobp/model/model.h"
#include "saobp/tasks/objective.h"
#include "saobp/train/distributed.h"
#include "saobp/train/objective.h"

namespace saobp::recipes {

struct BatchShape {
  int64_t batch = 32, accumulation = 1;
  bool group_by_length = true;
  uint64_t seed = 42;
};

// Each epoch sees each item once, in an order of its own that follows from the seed: shuffled, and with
// group_by_length sorted by length within stretches of 64 steps, whose steps are then shuffled again. The last step of
// an epoch may be smaller; losses are means over the examples of the whole step, of all ranks.
class TaskBatches final : public train::BatchSource {
 public:
  // `items` to train on, of the objective's. Both must outlive this.
  TaskBatches(model::Model model, const tasks::Objective& objective, std::vector<int64_t> items,
              const BatchShape& shape, const train::World& world);

  int64_t steps_an_epoch() const;

  std::vector<train::Pass> next(bool more) override;
  uint64_t position() const override { return position_; }
  void seek(uint64_t position) override { position_ = position; }
  void give_back(uint64_t position) override { position_ = position; }
  const char* unit() const override { return "examples"; }
  double units_a_step() const override;
  double units() const override { return static_cast<double>(position_); }

 private:
  int64_t items_a_step() const { return shape_.batch * shape_.accumulation * world_.size(); }
  void make_order(uint64_t epoch);

  model::Model model_;
  const tasks::Objective& objective_;
  const std::vector<int64_t> items_;
  const BatchShape shape_;
  const train::World& world_;
  uint64_t position_ = 0;  // items that the steps of all ranks have seen
  std::optional<uint64_t> epoch_;
  std::vector<int64_t> order_;  // of that epoch
};

}  // namespace saobp::recipes
