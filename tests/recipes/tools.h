// What tests of a training step share.
#pragma once

#include "saobp/data/batch.h"
#include "tests/model/tools.h"

namespace saobp::recipes::testing {

// Rows 2·pair and 2·pair + 1 of eight: a masked token in every third place; odd pairs end in padding.
inline data::Batch rows(int64_t first, int64_t count) {
  data::Batch batch;
  batch.rows = count, batch.length = 9;
  for (int64_t row = first; row < first + count; ++row)
    for (int64_t i = 0; i < 9; ++i) {
      const bool real = i < 6 || row / 2 % 2 == 0;
      batch.attention_mask.push_back(real);
      batch.padded = batch.padded || !real;
      batch.input_ids.push_back(real ? 1 + (row * 13 + i * 7) % 49 : 0);
      if (!real || i % 3 != 1) continue;
      batch.positions.push_back((row - first) * 9 + i);
      batch.targets.push_back((row * 5 + i) % 50);
    }
  return batch;
}

inline model::Model tiny(torch::ScalarType type, double dropout) {
  auto config = model::testing::tiny_config();
  config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout;
  auto model = model::make_model(config, 3);
  model->to(type);
  model->train();
  return model;
}

}  // namespace saobp::recipes::testing
