// Tensors that verbs make from texts and write for other programs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "saobp/model/libtorch.h"

namespace saobp::cli {

struct PaddedBatch {
  torch::Tensor ids;   // [rows, longest row] int64
  torch::Tensor mask;  // the same shape, bool, true = real; undefined where all rows are equally long
};

// Rows as one batch, short ones filled up with `pad_id` at their end.
PaddedBatch pad(const std::vector<std::vector<int64_t>>& rows, int64_t pad_id);

// Any shape, as float32 .npy.
void write_floats(const torch::Tensor& tensor, const std::filesystem::path& path);

}  // namespace saobp::cli
