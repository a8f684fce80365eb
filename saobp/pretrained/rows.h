// Rows of ids as one batch of tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "saobp/model/backbone.h"
#include "saobp/text/encoding.h"

namespace saobp::pretrained {

// To what length rows are filled up: that of the longest one, up to a multiple of `multiple`, at least `length`.
struct Padding {
  int64_t multiple = 1, length = 0;
};

// The ids of a row.
std::vector<int64_t> ids_of(const text::Encoding& row);

// Short rows are filled up with `pad_id` at their end; the mask is undefined where none is.
model::Inputs pad(const std::vector<std::vector<int64_t>>& rows, int64_t pad_id, const Padding& padding = {});
// With token types where some are not 0; a row without any has type 0.
struct Row {
  std::vector<int32_t> ids, types;
};
model::Inputs pad(const std::vector<const Row*>& rows, int64_t pad_id, const Padding& padding = {});
model::Inputs pad(const std::vector<text::Encoding>& rows, int64_t pad_id, const Padding& padding = {});

// The rows again, without what fills them up.
std::vector<Row> unpad(const model::Inputs& inputs);

// Any shape, as float32 .npy.
void write_floats(const torch::Tensor& tensor, const std::filesystem::path& path);

}  // namespace saobp::pretrained
