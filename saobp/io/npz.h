// NumPy's .npz: arrays by name, in a ZIP archive without compression, as numpy.savez writes it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "saobp/io/file.h"

namespace saobp::io {

class NpzFile {
 public:
  // Written aside; nothing is there until commit().
  explicit NpzFile(fs::path path);

  // As write_npy() has them (npy.h). Error where the archive would reach 4 GiB, which takes another format.
  void add(const std::string& name, const std::string& descr, const std::vector<int64_t>& shape,
           std::span<const std::byte> bytes);
  // Texts, as an array of '<U'.
  void add(const std::string& name, std::vector<std::u32string> texts);
  void commit();

 private:
  struct Entry {
    std::string name;
    uint32_t crc, size, offset;
  };
  fs::path path_;
  AtomicFile file_;
  std::vector<Entry> entries_;
  uint64_t written_ = 0;
};

}  // namespace saobp::io
