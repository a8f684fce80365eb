// A .safetensors file: read, and what is read is written and read again as the same.
#include <algorithm>
#include <cstring>

#include "saobp/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using saobp::io::SafetensorsFile;
constexpr size_t kLengthBytes = 8;

bool equal(const saobp::io::TensorEntry& a, const saobp::io::TensorEntry& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

}  // namespace

// Most changes of a header's length leave it wrong, so that half of the changes put the length right.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  uint64_t length = 0;
  if (size >= kLengthBytes) std::memcpy(&length, data, kLengthBytes);
  if (seed % 2 == 0 || size <= kLengthBytes || length > size - kLengthBytes || max_size < 2 * size)
    return LLVMFuzzerMutate(data, size, max_size);
  const std::string tensors(reinterpret_cast<char*>(data) + kLengthBytes + length, size - kLengthBytes - length);
  length = LLVMFuzzerMutate(data + kLengthBytes, length, max_size - kLengthBytes - tensors.size());
  std::memcpy(data, &length, kLengthBytes);
  std::memcpy(data + kLengthBytes + length, tensors.data(), tensors.size());
  return kLengthBytes + length + tensors.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace saobp::fuzz;
  static const Folder folder;
  const auto path = folder.write("model.safetensors", whole(data, size));
  attempt([&] {
    const SafetensorsFile file(path);
    std::vector<saobp::io::NamedTensor> tensors;
    size_t sum = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      tensors.push_back({name, tensor});
      for (std::byte byte : tensor.bytes) sum += static_cast<size_t>(byte);  // touches all that was handed out
    }
    require(sum <= 255 * size, "tensors share no bytes");
    const auto copy = folder / "copy.safetensors";
    saobp::io::write_safetensors(copy, tensors, file.metadata());
    const SafetensorsFile again(copy);
    require(again.metadata() == file.metadata(), "metadata are written as they were read");
    require(again.tensors().size() == tensors.size(), "every tensor is written");
    for (const auto& [name, tensor] : tensors)
      require(equal(again.tensors().at(name), tensor), "tensors are written as they were read");
  });
  return 0;
}
