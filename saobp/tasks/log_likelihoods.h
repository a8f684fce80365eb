// What a language model says of tokens at places of its rows: a decoder of those that come next, an encoder of those
// that are masked.
#pragma once

#include <cstdint>
#include <vector>

#include "saobp/model/model.h"
#include "saobp/pretrained/rows.h"

namespace saobp::tasks {

struct Asked {
  pretrained::Row row;
  std::vector<int64_t> places;   // in the row: whose outputs are looked at
  std::vector<int32_t> targets;  // the token that is asked for at each
};

// Σ log p(target) over the places of each row, in nats. In evaluation mode, without gradients.
std::vector<float> log_likelihoods(const model::Model& model, const std::vector<const Asked*>& rows, int64_t pad_id);

}  // namespace saobp::tasks
