#include "saobp/cli/tensors.h"

#include <algorithm>

#include "saobp/io/npy.h"

namespace saobp::cli {

PaddedBatch pad(const std::vector<std::vector<int64_t>>& rows, int64_t pad_id) {
  size_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  const auto shape = {static_cast<int64_t>(rows.size()), static_cast<int64_t>(longest)};
  PaddedBatch batch{torch::full(shape, pad_id, torch::kInt64), torch::zeros(shape, torch::kBool)};
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<int64_t>(i), length = static_cast<int64_t>(rows[i].size());
    batch.ids[row].slice(0, 0, length).copy_(torch::tensor(rows[i]));
    batch.mask[row].slice(0, 0, length).fill_(true);
  }
  if (batch.mask.all().item<bool>()) batch.mask = torch::Tensor();
  return batch;
}

void write_floats(const torch::Tensor& tensor, const std::filesystem::path& path) {
  const auto values = tensor.to(torch::kFloat32).contiguous();
  io::write_npy(path, "<f4", values.sizes().vec(),
                {static_cast<const std::byte*>(values.const_data_ptr()), static_cast<size_t>(values.nbytes())});
}

}  // namespace saobp::cli
