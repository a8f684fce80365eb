// The batches of the next step, made by another thread while the model works on this one's.
#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "saobp/data/rows.h"

namespace saobp::train {

class PreparedBatches {
 public:
  // `accumulation` batches of `batch` rows a step. The rows must outlive this; nobody else may read them meanwhile.
  PreparedBatches(data::TrainingRows& rows, int64_t batch, int64_t accumulation)
      : rows_(rows), batch_(batch), accumulation_(accumulation), position_(rows.position()) {}

  // The batches of one step. `more`: there will be another.
  std::vector<data::Batch> next(bool more) {
    const auto make = [this] {
      std::vector<data::Batch> batches;
      for (int64_t i = 0; i < accumulation_; ++i) batches.push_back(rows_.next(batch_));
      return batches;
    };
    auto batches = prepared_.valid() ? prepared_.get() : make();
    position_ = rows_.position();
    if (more) prepared_ = std::async(std::launch::async, make);
    return batches;
  }

  // The first row that next() has not handed out, whatever is prepared.
  uint64_t position() const { return position_; }

 private:
  data::TrainingRows& rows_;
  int64_t batch_, accumulation_;
  uint64_t position_;
  std::future<std::vector<data::Batch>> prepared_;  // the last member: it is waited for before the others go
};

}  // namespace saobp::train
