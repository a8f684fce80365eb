// NumPy's .npy format, version 1.0, little endian, C order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/io/file.h"

namespace saobp::io {

// `descr` is NumPy's name of the element type: "<i4", "<i8", "<f4", … `bytes` must hold the product of `shape` of them.
void write_npy(const fs::path& path, const std::string& descr, const std::vector<int64_t>& shape,
               std::span<const std::byte> bytes);

// What stands before the bytes.
std::string npy_header(const std::string& descr, const std::vector<int64_t>& shape);

// The numbers of a flat array of int32 or int64, as write_npy and numpy.save write it. `source` is what errors name:
// bytes that are no such array, a shape of other than one dimension, more or fewer bytes than it says.
std::vector<int64_t> parse_npy_integers(std::string_view bytes, const std::string& source);

}  // namespace saobp::io
