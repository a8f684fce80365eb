// Rows for one step as a model takes them, and what it is to predict from them. All vectors are row-major and can be
// given to torch::from_blob as they are.
#pragma once

#include <cstdint>
#include <vector>

namespace saobp::data {

struct Batch {
  int64_t rows = 0, length = 0;
  std::vector<int64_t> input_ids;       // [rows, length]; where tokens are masked, after masking
  std::vector<uint8_t> attention_mask;  // [rows, length]: 1 a token, 0 padding
  std::vector<int64_t> positions;       // [predictions] ascending indices into the flattened rows · length
  std::vector<int64_t> targets;         // [predictions] the id that the model is to predict there
  bool padded = false;                  // some attention_mask is 0

  // The targets as [rows, length] with −100 where nothing is to be predicted. Of masked rows these are transformers'
  // labels; of causal rows they are aligned with the inputs, where transformers shifts its labels by one.
  std::vector<int64_t> labels() const {
    std::vector<int64_t> labels(input_ids.size(), -100);
    for (size_t i = 0; i < positions.size(); ++i) labels[static_cast<size_t>(positions[i])] = targets[i];
    return labels;
  }
};

}  // namespace saobp::data
