// The batches of the next step, made by another thread while the model works on this one's.
#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "saobp/data/rows.h"
#include "saobp/train/distributed.h"

namespace saobp::recipes {

class PreparedBatches {
 public:
  // `accumulation` passes of `batch` rows a step for each rank; in the sequence of rows, rank 0's of a pass come first,
  // then rank 1's, and so on. The rows must outlive this; nobody else may read them meanwhile.
  PreparedBatches(data::TrainingRows& rows, int64_t batch, int64_t accumulation, const train::World& world)
      : rows_(rows),
        batch_(batch),
        accumulation_(accumulation),
        before_(static_cast<uint64_t>(batch * world.rank())),
        pass_(static_cast<uint64_t>(batch * world.size())),
        position_(rows.position()) {}

  // This rank's batches of one step. `more`: there will be another.
  std::vector<data::Batch> next(bool more) {
    const auto make = [this] {
      std::vector<data::Batch> batches;
      for (int64_t i = 0; i < accumulation_; ++i) {
        const uint64_t start = rows_.position();
        rows_.seek(start + before_);
        batches.push_back(rows_.next(batch_));
        rows_.seek(start + pass_);
      }
      return batches;
    };
    auto batches = prepared_.valid() ? prepared_.get() : make();
    position_ = rows_.position();
    if (more) prepared_ = std::async(std::launch::async, make);
    return batches;
  }

  // The step that next() was for has not been made. Nothing may be asked of next() any more.
  void give_back(uint64_t first_row) { position_ = first_row; }

  // The first row that next() has not handed out on any rank, whatever is prepared.
  uint64_t position() const { return position_; }

 private:
  data::TrainingRows& rows_;
  int64_t batch_, accumulation_;
  uint64_t before_, pass_;  // rows of a pass before this rank's; of all ranks
  uint64_t position_;
  std::future<std::vector<data::Batch>> prepared_;  // the last member: it is waited for before the others go
};

}  // namespace saobp::recipes
