// NumPy's .npy format, version 1.0, little endian, C order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "saobp/io/file.h"

namespace saobp::io {

// `descr` is NumPy's name of the element type: "<i4", "<i8", "<f4", … `bytes` must hold the product of `shape` of them.
void write_npy(const fs::path& path, const std::string& descr, const std::vector<int64_t>& shape,
               std::span<const std::byte> bytes);

}  // namespace saobp::io
