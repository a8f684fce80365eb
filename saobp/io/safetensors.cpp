#include "saobp/io/safetensors.h"

#include <algorithm>
#include <cstring>

#include "saobp/io/hash.h"
#include "saobp/io/json.h"
#include "saobp/io/words.h"

namespace saobp::io {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the format's own library

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

// Bytes that `shape` takes, or -1 on a negative dimension or an overflow.
int64_t bytes_of(const std::vector<int64_t>& shape, size_t element) {
  int64_t total = static_cast<int64_t>(element);
  for (int64_t n : shape)
    if (n < 0 || __builtin_mul_overflow(total, n, &total)) return -1;
  return total;
}

}  // namespace

size_t dtype_size(const std::string& dtype) {
  static const std::map<std::string, size_t> sizes = {{"BOOL", 1}, {"U8", 1},   {"I8", 1},  {"I16", 2}, {"U16", 2},
                                                      {"F16", 2},  {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},
                                                      {"I64", 8},  {"U64", 8},  {"F64", 8}};
  auto it = sizes.find(dtype);
  return it == sizes.end() ? 0 : it->second;
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : file_(path) {
  const std::string where = path.string();
  auto all = file_.bytes();
  if (all.size() < kLengthBytes)
    fail(where, ": not a safetensors file: ", all.size(), " bytes, at least 8 were expected");
  uint64_t length = 0;
  std::memcpy(&length, all.data(), kLengthBytes);
  if (length > kMaxHeader || length > all.size() - kLengthBytes)
    fail(where, ": not a safetensors file, or truncated: its header claims ", length, " bytes, the file has ",
         all.size() - kLengthBytes, " after the length");
  Json header = parse_json(file_.text().substr(kLengthBytes, length), where + ": header");
  if (!header.is_object()) fail(where, ": header is ", type_name(header), "; an object was expected");

  auto data = all.subspan(kLengthBytes + length);
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) fail(where, ": __metadata__ is ", type_name(entry), "; an object was expected");
      for (const auto& [key, value] : entry.items())
        metadata_[key] = value.is_string() ? value.get<std::string>() : value.dump();
      continue;
    }
    const std::string source = where + ": tensor " + name;
    TensorEntry tensor;
    tensor.dtype = require<std::string>(entry, "dtype", source);
    for (const char* numbers : {"shape", "data_offsets"})
      for (const auto& number : require<std::vector<Json>>(entry, numbers, source))
        if (!number.is_number_integer())
          fail(source, ": \"", numbers, "\" holds ", number.dump(), "; whole numbers were expected");
    tensor.shape = require<std::vector<int64_t>>(entry, "shape", source);
    auto offsets = require<std::vector<uint64_t>>(entry, "data_offsets", source);
    size_t element = dtype_size(tensor.dtype);
    if (element == 0) fail(source, ": dtype \"", tensor.dtype, "\" is not supported");
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size())
      fail(source, ": its data lie outside of the file, which has ", data.size(),
           " bytes of data (truncated, or the header lies)");
    int64_t needed = bytes_of(tensor.shape, element);
    if (needed < 0 || static_cast<uint64_t>(needed) != offsets[1] - offsets[0])
      fail(source, ": shape ", shape_text(tensor.shape), " of ", tensor.dtype, " needs ", needed,
           " bytes, the header gives it ", offsets[1] - offsets[0]);
    tensor.bytes = data.subspan(offsets[0], offsets[1] - offsets[0]);
    ranges.emplace_back(offsets[0], offsets[1]);
    tensors_.emplace(name, std::move(tensor));
  }
  std::sort(ranges.begin(), ranges.end());
  uint64_t end = 0;
  for (const auto& [from, to] : ranges) {
    if (from != end) fail(where, ": tensors overlap or leave a hole at byte ", std::min(from, end), " of the data");
    end = to;
  }
  if (end != data.size())
    fail(where, ": ", counted(data.size(), "byte"), " of data, but the header describes ", end,
         " (truncated, or the header lies)");
}

uint64_t write_safetensors(const fs::path& path, const std::vector<NamedTensor>& tensors,
                           const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    header[name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // aligns the data, as the format asks
  uint64_t length = text.size();
  AtomicFile file(path);
  Hash64 hash;
  const auto write = [&](const void* data, size_t size) {
    hash.add(data, size);
    file.write(data, size);
  };
  write(&length, sizeof length);
  write(text.data(), text.size());
  for (const auto& named : tensors) write(named.tensor.bytes.data(), named.tensor.bytes.size());
  file.commit();
  return hash.value();
}

}  // namespace saobp::io
