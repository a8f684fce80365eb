// The safetensors format: 8 bytes of header length (little endian), a JSON header, the tensors' bytes.
// Knows dtypes by their names in the format ("F32", "BF16", "I64", …); rooms above map them to tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "saobp/io/file.h"

namespace saobp::io {

struct TensorEntry {
  std::string dtype;           // as the format spells it
  std::vector<int64_t> shape;  // empty: a scalar
  std::span<const std::byte> bytes;
};

// Bytes of one element ("F32" → 4); 0 when the name is not of the format.
size_t dtype_size(const std::string& dtype);

// A mapped file. The header is checked in full before any tensor is handed out: sizes against shapes, offsets against
// the file's length, no overlap and no hole. Errors name the file and the tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const fs::path& path);

  const fs::path& path() const { return file_.path(); }
  const std::map<std::string, TensorEntry>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::map<std::string, TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct NamedTensor {
  std::string name;
  TensorEntry tensor;
};

// Written aside and renamed. The tensors' bytes must be contiguous, row-major, little endian. Gives XXH64 of the file's
// bytes, made while they were written.
uint64_t write_safetensors(const fs::path& path, const std::vector<NamedTensor>& tensors,
                           const std::map<std::string, std::string>& metadata);

}  // namespace saobp::io
