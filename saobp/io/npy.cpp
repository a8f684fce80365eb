#include "saobp/io/npy.h"

namespace saobp::io {

void write_npy(const fs::path& path, const std::string& descr, const std::vector<int64_t>& shape,
               std::span<const std::byte> bytes) {
  std::string dims;
  for (int64_t n : shape) dims += std::to_string(n) + ",";  // one dimension keeps its comma: (3,)
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + dims + "), }";
  constexpr size_t kPrefix = 10;  // magic, version, header length
  header.append(63 - (kPrefix + header.size()) % 64, ' ');
  header += '\n';
  AtomicFile file(path);
  file.write(std::string("\x93NUMPY\x01\x00", 8));
  auto length = static_cast<uint16_t>(header.size());
  file.write(&length, sizeof length);
  file.write(header);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace saobp::io
