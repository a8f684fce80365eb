#include "saobp/io/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "saobp/io/error.h"
#include "saobp/io/words.h"

namespace saobp::io {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

// What stands behind 'key': in the header, a Python dictionary, with the blanks before it gone.
std::string_view value_of(std::string_view header, std::string_view key, const std::string& source) {
  const std::string quoted = concat("'", key, "':");
  const auto at = header.find(quoted);
  if (at == std::string_view::npos) fail(source, ": its header has no ", key);
  header.remove_prefix(at + quoted.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

// The n of (n,).
std::optional<int64_t> flat_length(std::string_view shape) {
  int64_t length = -1;
  if (!shape.starts_with('(')) return {};
  const auto [end, error] = std::from_chars(shape.data() + 1, shape.data() + shape.size(), length);
  if (error != std::errc{} || length < 0 || !std::string_view(end, shape.data() + shape.size()).starts_with(",)"))
    return {};
  return length;
}

}  // namespace

std::string npy_header(const std::string& descr, const std::vector<int64_t>& shape) {
  std::string dims;
  for (int64_t n : shape) dims += std::to_string(n) + ",";  // one dimension keeps its comma: (3,)
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + dims + "), }";
  constexpr size_t kPrefix = 10;  // magic, version, header length
  header.append(63 - (kPrefix + header.size()) % 64, ' ');
  header += '\n';
  std::string all(kMagic);
  all += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  return all + header;
}

void write_npy(const fs::path& path, const std::string& descr, const std::vector<int64_t>& shape,
               std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(npy_header(descr, shape));
  file.write(bytes.data(), bytes.size());
  file.commit();
}

std::vector<int64_t> parse_npy_integers(std::string_view bytes, const std::string& source) {
  constexpr size_t kVersion = kMagic.size(), kLength = kVersion + 2;
  if (!bytes.starts_with(kMagic) || bytes.size() < kLength)
    fail(source, ": is no .npy file: it does not begin with \\x93NUMPY and a version");
  const bool first = bytes[kVersion] == 1;
  const size_t prefix = kLength + (first ? 2 : 4);
  uint32_t length = 0;
  if (bytes.size() >= prefix) std::memcpy(&length, bytes.data() + kLength, prefix - kLength);
  if (prefix + length > bytes.size())
    fail(source, ": truncated: its header ends at byte ", prefix + length, ", the file at ", bytes.size());
  const auto header = bytes.substr(prefix, length);
  const auto type = value_of(header, "descr", source);
  const size_t width = type.starts_with("'<i4'") ? 4 : type.starts_with("'<i8'") ? 8 : 0;
  if (width == 0) fail(source, ": its element type is not <i4 or <i8 (int32, int64)");
  const auto count = flat_length(value_of(header, "shape", source));
  if (!count) fail(source, ": its shape has other than one dimension");
  const auto data = bytes.substr(prefix + length);
  if (data.size() % width != 0 || data.size() / width != static_cast<uint64_t>(*count))
    fail(source, ": ", counted(*count, "number"), " of ", width, " bytes were expected behind the header, ",
         counted(data.size(), "byte"), " were found");
  std::vector<int64_t> numbers(data.size() / width);
  for (size_t i = 0; i < numbers.size(); ++i) {
    int32_t narrow = 0;
    if (width == 8)
      std::memcpy(&numbers[i], data.data() + 8 * i, 8);
    else
      std::memcpy(&narrow, data.data() + 4 * i, 4), numbers[i] = narrow;
  }
  return numbers;
}

}  // namespace saobp::io
