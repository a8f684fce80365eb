#include "saobp/pretrained/rows.h"

#include <algorithm>

#include "saobp/io/npy.h"

namespace saobp::pretrained {
namespace {

template <class Rows, class Row>
torch::Tensor filled(const Rows& rows, int64_t length, int64_t value, Row&& row_of) {
  auto made = torch::full({static_cast<int64_t>(rows.size()), length}, value, torch::kInt64);
  auto* data = made.template mutable_data_ptr<int64_t>();
  for (const auto& row : rows) {
    std::copy(row_of(row).begin(), row_of(row).end(), data);
    data += length;
  }
  return made;
}

// Undefined where all rows are that long.
template <class Rows, class Row>
torch::Tensor mask_of(const Rows& rows, int64_t length, Row&& row_of) {
  std::vector<int64_t> sizes;
  for (const auto& row : rows) sizes.push_back(static_cast<int64_t>(row_of(row).size()));
  if (std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) { return size == length; })) return {};
  return torch::arange(length).unsqueeze(0).lt(torch::tensor(sizes).unsqueeze(1));
}

template <class Rows, class Row>
int64_t length_of(const Rows& rows, const Padding& padding, Row&& row_of) {
  int64_t longest = padding.length;
  for (const auto& row : rows) longest = std::max(longest, static_cast<int64_t>(row_of(row).size()));
  return (longest + padding.multiple - 1) / padding.multiple * padding.multiple;
}

}  // namespace

std::vector<int64_t> ids_of(const text::Encoding& row) { return {row.ids.begin(), row.ids.end()}; }

model::Inputs pad(const std::vector<std::vector<int64_t>>& rows, int64_t pad_id, const Padding& padding) {
  const auto ids = [](const std::vector<int64_t>& row) -> const auto& { return row; };
  const int64_t length = length_of(rows, padding, ids);
  return {filled(rows, length, pad_id, ids), mask_of(rows, length, ids)};
}

namespace {

template <class Rows, class Ids, class Types>
model::Inputs padded(const Rows& rows, int64_t pad_id, const Padding& padding, Ids&& ids, Types&& types) {
  const int64_t length = length_of(rows, padding, ids);
  model::Inputs inputs(filled(rows, length, pad_id, ids), mask_of(rows, length, ids));
  auto typed = filled(rows, length, 0, types);
  if (typed.any().template item<bool>()) inputs.token_type_ids = std::move(typed);
  return inputs;
}

}  // namespace

model::Inputs pad(const std::vector<text::Encoding>& rows, int64_t pad_id, const Padding& padding) {
  return padded(
      rows, pad_id, padding, [](const text::Encoding& row) -> const auto& { return row.ids; },
      [](const text::Encoding& row) -> const auto& { return row.types; });
}

model::Inputs pad(const std::vector<const Row*>& rows, int64_t pad_id, const Padding& padding) {
  return padded(
      rows, pad_id, padding, [](const Row* row) -> const auto& { return row->ids; },
      [](const Row* row) -> const auto& { return row->types; });
}

std::vector<Row> unpad(const model::Inputs& inputs) {
  std::vector<Row> rows(static_cast<size_t>(inputs.ids.size(0)));
  const auto real = [&](const torch::Tensor& values, int64_t row) {
    const auto all =
        inputs.attention_mask.defined() ? values[row].masked_select(inputs.attention_mask[row]) : values[row];
    const auto kept = all.to(torch::kInt).contiguous();
    return std::vector<int32_t>(kept.const_data_ptr<int32_t>(), kept.const_data_ptr<int32_t>() + kept.numel());
  };
  for (int64_t i = 0; i < inputs.ids.size(0); ++i) {
    auto& row = rows[static_cast<size_t>(i)];
    row.ids = real(inputs.ids, i);
    row.types =
        inputs.token_type_ids.defined() ? real(inputs.token_type_ids, i) : std::vector<int32_t>(row.ids.size(), 0);
  }
  return rows;
}

void write_floats(const torch::Tensor& tensor, const std::filesystem::path& path) {
  const auto values = tensor.to(torch::kFloat32).contiguous();
  io::write_npy(path, "<f4", values.sizes().vec(),
                {static_cast<const std::byte*>(values.const_data_ptr()), static_cast<size_t>(values.nbytes())});
}

}  // namespace saobp::pretrained
